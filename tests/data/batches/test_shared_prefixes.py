"""Beginnings that rows share are read once, and no token notices."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny_models import loss_and_gradients, tiny
from whet.data.batches.forest import build_batch, path_to, segments_of
from whet.data.batches.shared_prefixes import LEAST_SHARED, LONGEST, fold
from whet.model.architecture_proof import fuse, install_forest
from whet.model.policy import Policy
from whet.types import Batch, Segment

SYSTEMS = [list(range(20)), [*range(15), *range(30, 50)], list(range(60, 64)), []]
"""Two that share 15 tokens, one that is too short to share, none."""


def seen(batch: Batch) -> list[list[int]]:
    """For each supervised token all that stands before it on its path, then itself."""
    segments, found = segments_of(batch), []
    owner = [(number, offset) for number, one in enumerate(segments) for offset in range(len(one.ids))]
    for source, target in zip(batch.source_N.tolist(), batch.target_N.tolist(), strict=True):
        number, offset = owner[source]
        above = [token for one in path_to(segments, number)[:-1] for token in segments[one].ids]
        found.append([*above, *segments[number].ids[: offset + 1], target])
    return found


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    made: list[Segment] = []
    for row in range(draw(st.integers(1, 9))):
        own = draw(st.lists(st.integers(0, 99), min_size=1, max_size=12))
        ids = draw(st.sampled_from(SYSTEMS)) + own
        weights = [0.0] + [draw(st.sampled_from([0.0, 1.0]))] * (len(ids) - 1)
        made.append(Segment(ids, weights, row))
        for _ in range(draw(st.integers(0, 2))):
            made.append(Segment(own, [1.0] * len(own), row, parent=len(made) - 1))
    return build_batch(made)


@given(batches())
def test_every_supervised_token_sees_what_it_saw(batch: Batch) -> None:
    folded = fold(batch)
    assert seen(folded) == seen(batch), "in the same order"
    assert len(folded.ids_T) == sum(folded.lengths) <= len(batch.ids_T)
    assert folded.weight == batch.weight and folded.target_N is batch.target_N
    rows = [batch.rows[number] for number in batch.segment_N.tolist()]
    alone = [row for row in rows if rows.count(row) == 1]
    assert [folded.rows[number] for number in folded.segment_N.tolist() if folded.rows[number] in alone] == alone


def rows_of(count: int, system: int, own: int) -> list[Segment]:
    ids = [[*range(system), *range(100 + 50 * row, 100 + 50 * row + own)] for row in range(count)]
    return [Segment(one, [0.0] * system + [1.0] * own, row) for row, one in enumerate(ids)]


def test_a_system_prompt_of_ten_rows_is_laid_out_once() -> None:
    folded = fold(build_batch(rows_of(10, 20, 6)))
    assert len(folded.ids_T) == 20 + 10 * 6 and folded.parents == [None] + [0] * 10


def test_two_system_prompts_in_turn_make_two_groups() -> None:
    systems = list(range(20)), list(range(20, 40))
    rows = [Segment([*systems[row % 2], 90 + row], [0.0] * 20 + [1.0], row) for row in range(8)]
    assert len(fold(build_batch(rows)).ids_T) == 2 * 20 + 8


@pytest.mark.parametrize(
    ("segments", "why"),
    [
        (rows_of(1, 20, 6), "a single row shares nothing"),
        (rows_of(9, LEAST_SHARED - 1, 3), "too little to be worth a seam"),
        (rows_of(3, 10, 40), "two of these rows fit a tree: a tenth is not saved"),
        (rows_of(4, 30, LONGEST), "rows so long are better read alone"),
    ],
)
def test_what_is_not_worth_it_is_left_as_it_is(segments: list[Segment], why: str) -> None:
    batch = build_batch(segments)
    if why.startswith("two"):
        assert len(fold(batch).ids_T) == 10 + 3 * 40
    else:
        assert fold(batch) is batch, why


def test_a_tree_stays_short_however_many_rows_share_its_beginning() -> None:
    folded = fold(build_batch(rows_of(60, 20, 6)))
    assert folded.parents.count(None) == 2
    assert all(len(path) <= LONGEST for path in seen(folded)) and len(folded.ids_T) == 2 * 20 + 60 * 6


@pytest.mark.parametrize("kernels", [False, True])
def test_losses_and_gradients_are_those_of_rows_read_alone(kernels: bool) -> None:
    model = tiny("Llama")
    size = model.config.vocab_size
    generator = torch.Generator().manual_seed(3)

    def drawn(count: int) -> list[int]:
        return torch.randint(0, size, (count,), generator=generator).tolist()

    system, rows = drawn(24), []
    for row in range(6):
        own = drawn(3 + row)
        rows.append(Segment(system + own, [0.0] + [0.5] * 23 + [1.0] * len(own), row))
        if row % 2:
            rows.append(Segment(drawn(4), [1.0] * 4, row, parent=len(rows) - 1))
    batch = build_batch(rows)
    assert len(fold(batch).ids_T) < 0.7 * len(batch.ids_T)
    plain = Policy(model, use_forest=False)
    expected = loss_and_gradients(plain.logprobs(batch), batch, model)
    install_forest(model)
    if kernels:
        fuse(model)
    found = loss_and_gradients(Policy(model).logprobs(batch), batch, model)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        assert torch.allclose(found[1][name], gradient, rtol=1e-3, atol=1e-5), name
