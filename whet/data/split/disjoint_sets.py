"""Disjoint sets of positions: what is joined, directly or through others, has one root."""

from __future__ import annotations

from array import array

import numpy as np


class Union:
    """Disjoint sets with path halving; the root is always the smallest position."""

    def __init__(self, size: int) -> None:
        self.parent = array("q", range(size))

    def root(self, item: int) -> int:
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def roots(self) -> np.ndarray:
        root_R = np.array(self.parent, dtype=np.int64)
        while (root_R != (higher_R := root_R[root_R])).any():
            root_R = higher_R
        return root_R

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self.parent[high] = low

    def join_equal(self, key_R: np.ndarray) -> None:
        """Join positions with equal keys; an empty key joins nothing."""
        _, first, number_R = np.unique(key_R, return_index=True, return_inverse=True)
        again = np.flatnonzero((first[number_R] != np.arange(len(key_R))) & (key_R != b""))
        for position, before in zip(again.tolist(), first[number_R[again]].tolist(), strict=True):
            self.join(before, position)

    def join_all(self, root_R: np.ndarray) -> None:
        """Join every position with its root in another union of the same positions."""
        for position in np.flatnonzero(root_R != np.arange(len(root_R))).tolist():
            self.join(int(root_R[position]), position)
