"""The latest rows judge, and nothing of them was learned."""

from __future__ import annotations

from tests.workloads.made_logs import log_of, made, unlike
from whet.monitoring.trace import Trace
from whet.stats.paired import wilson
from whet.workloads.logged_rows import NEAR
from whet.workloads.task import Task, task_of
from whet.workloads.time_split import quantile, rows_to_show, sizes_of
from whet.workloads.workload import find_workloads

COLOURS = ["red", "blue", "green", "white"]


def task(traces: list[Trace], most: int = 2000, goal: float = 0.8, metric: str = "auto") -> Task:
    (workload,) = find_workloads(traces)
    return task_of(workload, most, goal, metric)


def test_a_perfect_answerer_could_show_the_goal_on_the_test_rows_and_on_one_less_not() -> None:
    for goal in (0.8, 0.9, 0.95):
        needed = rows_to_show(goal, 6)
        assert wilson(needed, needed, quantile(6))[0] >= goal > wilson(needed - 1, needed - 1, quantile(6))[0]
        assert sizes_of(round(needed / 0.4) - 5, goal, 6) is None
    assert sizes_of(10_000, 0.9, 6) is not None and sizes_of(10_000, 0.9, 6).test == 500


def test_the_earliest_are_learned_and_the_latest_judge() -> None:
    found = task(log_of(COLOURS * 50))
    assert found.left is None and found.split.counts() == {"train": 140, "validation": 20, "test": 40}
    parts = (found.split.train, found.split.validation, found.split.test)
    assert [row.trace for part in parts for row in part] == [f"t{place}" for place in range(200)]


def test_copies_and_near_copies_of_later_rows_are_not_learned() -> None:
    asked = log_of(COLOURS * 50)
    asked[5] = made(5, unlike(190), "another answer")
    asked[6] = made(6, unlike(191) + " please", "blue")
    asked[7] = made(7, unlike(151), "another answer")
    asked[150] = made(150, unlike(195), "another answer")
    found = task(asked)
    assert found.split.near == found.rows.left_out[NEAR] == 4
    learned = {row.trace for row in [*found.split.train, *found.split.validation]}
    assert not learned & {"t5", "t6", "t7", "t150"}
    assert found.split.counts() == {"train": 137, "validation": 19, "test": 40}


def test_a_log_of_copies_leaves_nothing_to_learn_and_says_so() -> None:
    asked = [made(place, f"tell me the colour of the sea number {place % 3}", f"red {place}") for place in range(200)]
    found = task(asked, metric="exact-match")
    assert found.left is not None and "near to later ones" in found.left


def test_few_requests_failing_ones_and_unmeasured_answers_are_left_with_the_reason() -> None:
    few = task(log_of(COLOURS * 4))
    assert few.left is not None and few.left.startswith("16 rows can be used, and to show an agreement of 0.8 takes")
    failing = log_of(COLOURS * 20, finish_reason="length") + log_of(COLOURS * 30)
    assert (task(failing).left or "") == "" and task(
        failing + failing[:80]
    ).left == "160 of 280 requests failed or were cut"
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    calling = log_of(COLOURS * 50)
    calling[-1] = made(199, unlike(199), None, tool_calls=[call])
    assert (task(calling).left or "").startswith("written answers cannot be scored by nll")
    assert task(log_of(COLOURS * 50), most=30).left is not None
