"""From the lines of many measurements to medians, ratios, agreement of losses, and goals met or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.tasks import Goal, Task

Line = dict[str, Any]
"""What one measurement printed, with task, side and repeat."""
MEASURES = (
    "tokens_per_second",
    "answers_per_second",
    "peak_memory_bytes",
    "first_step_seconds",
    "import_seconds",
    "memory_growth",
    "share_of_limit",
    "gflops_bfloat16",
    "gflops_float32",
)


class SidesDiffer(Exception):
    """The sides did not do the same work, so their times cannot be compared."""


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a task over its repeats."""

    name: str
    settings: str
    spreads: dict[str, Spread]
    losses: list[float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A goal and what came of it. `value` and `met` are None where it was not measured."""

    goal: Goal
    value: float | None
    met: bool | None
    reason: str = ""


def sides_of(task: Task, lines: Sequence[Line]) -> dict[str, Side]:
    """The measured sides of a task in its own order. Raises SidesDiffer for token ids that are not the same."""
    mine = [line for line in lines if line["task"] == task.name]
    digests = {line["side"]: line["digest"] for line in mine if "digest" in line}
    if len(set(digests.values())) > 1:
        raise SidesDiffer(f"{task.name}: the sides read other token ids: {digests}")
    return {name: side_of(name, own) for name in task.sides if (own := [x for x in mine if x["side"] == name])}


def side_of(name: str, lines: Sequence[Line]) -> Side:
    spreads = {key: spread([line[key] for line in lines]) for key in MEASURES if all(key in line for line in lines)}
    return Side(name, lines[0].get("settings", ""), spreads, lines[0].get("losses", []))


def spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values), len(values))


def disagreement(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Largest relative difference of two loss curves, step by step; infinite where one is not a number.

    Raises SidesDiffer for other numbers of steps.
    """
    if len(ours) != len(theirs) or not ours:
        raise SidesDiffer(f"loss curves of {len(ours)} and {len(theirs)} steps")
    if not all(map(math.isfinite, (*ours, *theirs))):
        return math.inf  # max() would pass over it
    return max(abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True))


def outcome(task: Task, goal: Goal, sides: dict[str, Side], side: str = "whet") -> Outcome:
    """Whether `side` reaches the goal: against the hardest of the peers, and only where the losses agree."""
    ours = sides.get(side)
    if ours is None:
        return Outcome(goal, None, None, f"{side} has not been measured")
    if goal.measure not in ours.spreads:
        return Outcome(goal, None, None, f"{goal.measure} has not been measured")
    value = ours.spreads[goal.measure].median
    if goal.against:
        missing = [peer for peer in goal.against if peer not in sides]
        if missing:
            have = "has" if len(missing) == 1 else "have"
            return Outcome(goal, None, None, f"{', '.join(missing)} {have} not been measured")
        ratios = [value / sides[peer].spreads[goal.measure].median for peer in goal.against]
        value = max(ratios) if goal.most else min(ratios)
        if task.kind == "train":
            apart = {peer: disagreement(ours.losses, sides[peer].losses) for peer in goal.against}
            wrong = [f"{peer} by {100 * d:.2f}%" for peer, d in apart.items() if not d <= task.tolerance]
            if wrong:
                return Outcome(goal, value, False, f"does not count: the losses differ from {', '.join(wrong)}")
    return Outcome(goal, value, value <= goal.bound if goal.most else value >= goal.bound)
