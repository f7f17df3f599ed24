"""Steps: every row once an epoch, evenly sized, and a pure function of the step's number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whet.data.batches.loader import Loader, fill, in_order, plan_epoch
from whet.types import Segment

LENGTHS = st.lists(st.integers(2, 60), min_size=1, max_size=80)


def segments_of(lengths: list[int]) -> list[Segment]:
    return [Segment(ids=[1] * n, weights=[0.0] + [1.0] * (n - 1), row=row) for row, n in enumerate(lengths)]


@given(LENGTHS, st.integers(1, 100), st.integers(0, 5), st.integers(0, 3))
def test_every_row_occurs_exactly_once_an_epoch(lengths: list[int], budget: int, seed: int, epoch: int) -> None:
    steps = plan_epoch(lengths, budget, seed, epoch)
    assert sorted(row for step in steps for row in step) == list(range(len(lengths)))
    assert all(len(step) for step in steps)
    assert len(steps) == len(plan_epoch(lengths, budget, seed + 1, epoch + 1)), "every epoch has as many steps"
    for step in steps:
        long = [row for row in step if lengths[row] >= budget]
        assert not long or len(step) == 1, "a row of a whole step stands alone"


def test_steps_are_of_nearly_equal_size() -> None:
    lengths = [5 + (7 * n) % 40 for n in range(1000)]
    sizes = [sum(lengths[row] for row in step) for step in plan_epoch(lengths, 1024, 0, 0)]
    assert max(sizes) - min(sizes) <= 80 and abs(sum(sizes) / len(sizes) - 1024) < 40


def test_epochs_and_seeds_differ_and_repeat() -> None:
    lengths = [10] * 50

    def plan(seed: int, epoch: int) -> list[list[int]]:
        return [step.tolist() for step in plan_epoch(lengths, 100, seed, epoch)]

    assert plan(0, 0) == plan(0, 0)
    assert plan(0, 0) != plan(0, 1)
    assert plan(0, 0) != plan(1, 0)


def test_a_resumed_loader_gives_the_steps_of_one_never_stopped() -> None:
    segments = segments_of([5, 9, 14, 30, 8, 8, 41, 3] * 4)
    first = Loader(segments, 64, 32, seed=3)
    wanted = [[batch.rows for batch in first.step(step)] for step in range(2 * first.steps_per_epoch)]
    for step in (first.steps_per_epoch + 1, 2, 0):
        assert [batch.rows for batch in Loader(segments, 64, 32, seed=3).step(step)] == wanted[step]


@given(LENGTHS, st.integers(1, 100), st.integers(1, 100))
def test_micro_batches_hold_the_step_and_its_weight(lengths: list[int], batch: int, micro: int) -> None:
    loader = Loader(segments_of(lengths), batch, micro, seed=0)
    rows = [row for step in range(loader.steps_per_epoch) for b in loader.step(step) for row in b.rows]
    assert sorted(rows) == list(range(len(lengths)))
    for part in loader.step(0):
        assert len(part.ids_T) <= micro or len(part.rows) == 1
        assert part.lengths == sorted(part.lengths, reverse=True), "rows of similar length share a micro-batch"


def test_a_tree_is_never_torn_apart() -> None:
    segments: list[Segment] = []
    for row in range(10):
        root = len(segments)
        segments.append(Segment(ids=[1, 2, 3], weights=[0.0] * 3, row=row))
        segments += [Segment(ids=[4, 5], weights=[1.0, 1.0], row=row, parent=root) for _ in range(2)]
    loader = Loader(segments, 14, 7, seed=0)
    for step in range(loader.steps_per_epoch):
        for batch in loader.step(step):
            assert [batch.rows.count(row) for row in set(batch.rows)] == [3] * len(set(batch.rows))


@given(LENGTHS, st.integers(1, 100))
def test_in_order_gives_everything_once_whatever_the_cut(lengths: list[int], micro: int) -> None:
    batches = list(in_order(segments_of(lengths), micro))
    assert sorted(row for batch in batches for row in batch.rows) == list(range(len(lengths)))
    assert sum(batch.weight for batch in batches) == sum(length - 1 for length in lengths)


def test_fill_keeps_to_the_budget() -> None:
    assert fill([0, 1, 2, 3], [4, 4, 9, 1], 8) == [[0, 1], [2], [3]]
