"""Which rows are (nearly) the same: the split's own clusters, of words alone and without its groups and prompts."""

from __future__ import annotations

from array import array

import numpy as np

from whet.data.split.clusters import clusters
from whet.data.split.row_traits import Traits, compute_traits
from whet.doctor.analysis.row_texts import whole_text
from whet.types import Row

BATCH = 512
"""Rows whose MinHash is computed at a time: all of a row that stays in memory until then."""


class NearDuplicates:
    """Shows every row once, in the order of the input; several checks may show it the same row."""

    def __init__(self) -> None:
        self._traits, self._waiting = Traits(), list[Row]()
        self._indices = array("q")
        self._roots: np.ndarray | None = None

    def add(self, row: Row) -> None:
        if self._indices and self._indices[-1] == row.index:
            return
        self._indices.append(row.index)
        self._waiting.append(Row(row.index, row.where, text=whole_text(row)))
        self._roots = None
        if len(self._waiting) == BATCH:
            self._hash_waiting()

    def indices(self) -> np.ndarray:
        """R row indices, in the order in which they were shown."""
        return np.array(self._indices, dtype=np.int64)

    def roots(self) -> np.ndarray:
        """R positions: of each row, the first row that is (nearly) the same; its own position where it is the first."""
        if self._roots is None:
            self._hash_waiting()
            if len(self._traits):
                self._roots = clusters(self._traits)
            else:
                self._roots = np.zeros(0, np.int64)
        return self._roots

    def _hash_waiting(self) -> None:
        self._traits.add(compute_traits(self._waiting))
        self._waiting = []
