"""A workload as a task: rows that can be learned and judged, or the reason why it is left with the big model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from whet.errors import count
from whet.evaluation.metrics import scoring as metric
from whet.recipe.external import is_function
from whet.types import Row
from whet.workloads.logged_rows import NEAR, LoggedRow, LoggedRows, is_failed, logged_rows, sampled
from whet.workloads.time_split import TimeSplit, fewest_rows, sizes_of, split_by_time
from whet.workloads.workload import Workload

TRIED = 6
"""Ways to answer that a comparison has at most without documents and instructions of one's own."""
HOPELESS = 0.5
"""Share of the requests that may fail or be cut: what is learned from the rest would be another workload."""
FEWEST_LEARNED = 20
"""Training rows: the few-shot ways and the tune need some."""
NOTHING = TimeSplit([], [], [], 0)


@dataclass(frozen=True, slots=True)
class Task:
    workload: Workload
    rows: LoggedRows
    split: TimeSplit
    left: str | None
    """Why it is not compared; None where it is."""

    @property
    def corrected_tests(self) -> int:
        return sum(row.corrected for row in self.split.test)


def task_of(workload: Workload, most: int, goal: float, wanted_metric: str) -> Task:
    """`most` bounds its rows, `goal` is the agreement that is asked for, `wanted_metric` the recipe's."""
    failed = sum(is_failed(trace) for trace in workload.traces)
    rows = logged_rows(workload)
    if failed > HOPELESS * len(workload.traces):
        why = f"{failed:,} of {count(len(workload.traces), 'request')} failed or were cut"
        return Task(workload, rows, NOTHING, why)

    sampled(rows, most)
    sizes = sizes_of(len(rows.rows), goal, TRIED)
    if sizes is None:
        needed = fewest_rows(goal, TRIED)
        why = f"{count(len(rows.rows), 'row')} can be used, and to show an agreement of {goal:g} takes {needed:,}"
        return Task(workload, rows, NOTHING, why)

    split = split_by_time(rows.rows, sizes)
    rows = replace(rows, left_out=rows.left_out + Counter({NEAR: split.near}))
    if len(split.train) < FEWEST_LEARNED:
        why = f"{count(len(split.train), 'row')} are left to learn from: {split.near:,} are near to later ones"
        return Task(workload, rows, split, why)
    return Task(workload, rows, split, unmeasured(split.test, wanted_metric))


def unmeasured(test: list[LoggedRow], wanted: str) -> str | None:
    """Why written answers cannot be scored; None where they can."""
    name, reason = metric.metric_for(wanted, [Row(n, row.trace, row.messages) for n, row in enumerate(test)])
    if name in metric.SCORERS or is_function(name):
        return None
    return f"written answers cannot be scored by {name}: {reason}"
