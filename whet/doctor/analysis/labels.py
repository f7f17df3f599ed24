"""Rows whose answers are few labels: which label each has, and whether the data is of this kind at all."""

from __future__ import annotations

from array import array

import numpy as np

FEWEST_ROWS, FEWEST_EACH = 20, 5
"""Labels are few where so many rows have one, and each label so many rows by mean."""
LABELLED = 0.9
"""Share of rows that must have a label."""


class LabelTally:
    """Labels by number, in the order in which they first occur."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._codes, self._indices = array("i"), array("q")
        self._rows = 0

    def add(self, index: int, label: str | None) -> None:
        """The short answer or the label of a row, where it has one."""
        self._rows += 1
        if label is not None:
            self._codes.append(self._numbers.setdefault(label, len(self._numbers)))
            self._indices.append(index)

    @property
    def few(self) -> bool:
        labels = len(self._numbers)
        return self._enough and 2 <= labels and labels * FEWEST_EACH <= len(self._codes)

    @property
    def one(self) -> bool:
        """All have the same."""
        return self._enough and len(self._numbers) == 1 and len(self._codes) == self._rows

    @property
    def _enough(self) -> bool:
        return len(self._codes) >= max(FEWEST_ROWS, LABELLED * self._rows)

    @property
    def names(self) -> list[str]:
        return list(self._numbers)

    def codes(self) -> np.ndarray:
        """L label numbers, one for each labelled row."""
        return np.array(self._codes, np.int64)

    def indices(self) -> np.ndarray:
        """L row indices."""
        return np.array(self._indices, np.int64)
