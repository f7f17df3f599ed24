"""A batch is a forest: where each token stands, and which token predicts it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whet.data.batches.forest import build_batch, path_to, select_trees, trees
from whet.types import Segment


def segment(ids: list[int], weights: list[float] | None = None, parent: int | None = None, row: int = 0) -> Segment:
    plain = [1.0] * len(ids) if parent is not None else [0.0] + [1.0] * (len(ids) - 1)
    return Segment(ids=ids, weights=plain if weights is None else weights, row=row, parent=parent)


def test_a_pair_shares_its_prompt() -> None:
    batch = build_batch([segment([1, 2, 3], [0, 0, 0]), segment([4, 5], parent=0), segment([6], parent=0)])
    assert batch.ids_T.tolist() == [1, 2, 3, 4, 5, 6]
    assert batch.positions_T.tolist() == [0, 1, 2, 3, 4, 3], "positions go on from the parent's end"
    assert batch.source_N.tolist() == [2, 3, 2], "a child's first token is predicted from the parent's last"
    assert batch.target_N.tolist() == [4, 5, 6]
    assert batch.segment_N.tolist() == [1, 1, 2]
    assert (batch.starts, batch.lengths, batch.parents) == ([0, 3, 5], [3, 2, 1], [None, 0, 0])
    assert batch.weight == 3.0


@st.composite
def forests(draw: st.DrawFn) -> list[Segment]:
    made: list[Segment] = []
    token = 0
    for number in range(draw(st.integers(1, 8))):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        length = draw(st.integers(1, 5))
        weights = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=length, max_size=length))
        if parent is None:
            weights[0] = 0.0
        made.append(Segment(ids=list(range(token, token + length)), weights=weights, row=number, parent=parent))
        token += length
    return made


@given(forests())
def test_every_target_is_predicted_by_the_token_before_it_on_its_path(segments: list[Segment]) -> None:
    batch = build_batch(segments)  # ids are distinct: an id is its place
    expected = []
    for number, one in enumerate(segments):
        path = [token for step in path_to(segments, number) for token in segments[step].ids]
        for token, weight in zip(one.ids, one.weights, strict=True):
            assert batch.positions_T[token] == path.index(token)
            if weight:
                expected.append((path[path.index(token) - 1], token, weight, number))
    found = zip(
        batch.source_N.tolist(), batch.target_N.tolist(), batch.weight_N.tolist(), batch.segment_N.tolist(), strict=True
    )
    assert list(found) == expected
    assert batch.weight == pytest.approx(sum(weight for *_, weight, _ in expected))


@given(forests())
def test_trees_can_be_picked_in_any_order(segments: list[Segment]) -> None:
    groups = trees(segments)[::-1]
    picked = select_trees(segments, groups)
    assert sorted(s.row for s in picked) == [s.row for s in segments]
    for one in picked:
        old = segments[one.row].parent
        assert (None if one.parent is None else picked[one.parent].row) == old
    build_batch(picked)


@pytest.mark.parametrize(
    "segments",
    [
        [segment([])],
        [segment([1, 2], [1.0, 1.0])],
        [segment([1, 2], [0.0])],
        [segment([1], [0.0], parent=None), segment([2], parent=1)],
        [segment([1], [0.0], parent=None), segment([2], parent=-1)],
    ],
)
def test_what_only_a_programmer_can_get_wrong_is_said(segments: list[Segment]) -> None:
    with pytest.raises(ValueError, match="segment"):
        build_batch(segments)
