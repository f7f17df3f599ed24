"""Rows split by time: the earliest are learned, those after them choose, the latest judge.

How a model does on what came after it was made is what its use will be like; rows drawn at random would be easier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from whet.data.split.parts import leaks
from whet.data.split.row_traits import Traits
from whet.stats.power import ALPHA
from whet.types import Row
from whet.workloads.logged_rows import LoggedRow

TEST, VALIDATION = 0.2, 0.1
"""Shares of the rows, up to MOST_TEST and MOST_VALIDATION of them; a test part is larger where the goal needs it."""
MOST_TEST, MOST_VALIDATION = 500, 200
LARGEST_TEST = 0.4
"""Share of the rows that may be needed to show the goal: beyond it too little is left to learn from."""


@dataclass(frozen=True, slots=True)
class Sizes:
    validation: int
    test: int


@dataclass(frozen=True, slots=True)
class TimeSplit:
    train: list[LoggedRow]
    validation: list[LoggedRow]
    test: list[LoggedRow]
    near: int
    """Rows that left training or validation, because they are nearly a later one behind the cut."""

    def counts(self) -> dict[str, int]:
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}


def quantile(tried: int) -> float:
    """Of the normal distribution, for the bad ends of `tried` intervals that hold together in 97.5% of cases
    (Bonferroni)."""
    return float(ndtri(1 - ALPHA / 2 / tried))


def rows_to_show(goal: float, tried: int) -> int:
    """Test rows on which a perfect answerer of `tried` ones would show the goal (Wilson's interval)."""
    return math.ceil(quantile(tried) ** 2 * goal / (1 - goal))


def sizes_of(rows: int, goal: float, tried: int) -> Sizes | None:
    """The held-out parts of so many rows; None where they are too few to show the goal."""
    needed = rows_to_show(goal, tried)
    if needed > LARGEST_TEST * rows:
        return None
    test = max(needed, min(round(TEST * rows), MOST_TEST))
    return Sizes(max(1, min(round(VALIDATION * rows), MOST_VALIDATION)), test)


def fewest_rows(goal: float, tried: int) -> int:
    """Rows from which sizes_of has an answer."""
    return math.ceil(rows_to_show(goal, tried) / LARGEST_TEST)


def split_by_time(rows: Sequence[LoggedRow], sizes: Sizes) -> TimeSplit:
    """`rows` are in the order of time. Copies, near-copies and conversations with the same beginning stay on the later
    side alone."""
    test_begins = len(rows) - sizes.test
    validation_begins = test_begins - sizes.validation
    place_R = np.arange(len(rows))
    traits = Traits.of([Row(place, row.trace, row.messages) for place, row in enumerate(rows)])

    near = set(leaks(traits, place_R[:test_begins], place_R[test_begins:]).tolist())
    left_R = np.array([place for place in range(validation_begins, test_begins) if place not in near], dtype=np.int64)
    if len(left_R):
        near |= set(leaks(traits, place_R[:validation_begins], left_R).tolist())

    kept = [[], [], []]
    for place, row in enumerate(rows):
        if place not in near:
            kept[(place >= validation_begins) + (place >= test_begins)].append(row)
    return TimeSplit(kept[0], kept[1], kept[2], len(near))
