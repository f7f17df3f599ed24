"""Which rows are held out: decided by their content, so that the order of the file and new rows hardly change it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np

from whet.data.split.clusters import Apart, clusters
from whet.data.split.row_traits import Traits
from whet.errors import DataError
from whet.recipe.schema import Split

FEWEST_CLUSTERS = 6
"""Of fewer no result whatever is significant by sign flips: 2 / 2**5 is above 0.05."""


@dataclass(slots=True)
class Parts:
    """Positions of rows, ascending. No row is in two parts, and none is missing."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    left_out: np.ndarray
    """Rows that the recipe does not want to be learned (split.train_share)."""
    cluster: np.ndarray
    """Of each test row a number, which rows that belong together share."""
    apart: list[Apart] = field(default_factory=list)
    """What is on both sides all the same, because it is too much to be held out."""


def split(
    traits: Traits, settings: Split, seed: int, chosen: np.ndarray | None = None, *, own_test: bool = False
) -> Parts:
    """Hold out a test and a validation part of the `chosen` rows (all, unless given). With `own_test` only a
    validation part.

    Rows that belong together (whet/data/split/clusters.py) stay together; where rows have labels, every label is held
    out in proportion. Raises DataError when there are too few rows, or when all belong together.
    """
    if chosen is None:
        row_R = np.arange(len(traits))
    else:
        row_R = np.asarray(chosen)

    rows = len(row_R)
    if own_test:
        wanted_test = 0
    else:
        wanted_test = size_of(settings.test, settings.max_test, rows)

    wanted_validation = size_of(settings.validation, settings.max_validation, rows)
    refuse_too_few(rows, wanted_test, wanted_validation)
    apart: list[Apart] = []
    root_R = clusters(traits, row_R, settings.near_duplicates, apart=apart)
    pool = _Pool(traits, row_R, root_R, seed)
    test = pool.take(pool.answered_C, wanted_test, rows, "test")
    validation = pool.take(~np.isin(np.arange(pool.size), test), wanted_validation, rows, "validation")
    side_R = np.zeros(rows, dtype=np.int8)
    side_R[np.isin(pool.cluster_R, validation)] = 1
    side_R[np.isin(pool.cluster_R, test)] = 2
    side_R[(side_R == 0) & ~pool.first(side_R == 0, settings.train_share)] = 3
    named = [replace(one, first=int(row_R[one.first])) for one in apart]
    train, validation_R, test_R, unused = (row_R[side_R == side] for side in range(4))

    return Parts(train, validation_R, test_R, unused, root_R[side_R == 2], named)


def leaks(traits: Traits, train: np.ndarray, test: np.ndarray, near_duplicates: bool = True) -> np.ndarray:
    """The training rows that belong together with a row of the user's own test file."""
    root_R = clusters(traits, np.concatenate([test, train]), near_duplicates, own_test=True)
    return train[np.isin(root_R[len(test) :], root_R[: len(test)])]


def size_of(share: float, largest: int, rows: int) -> int:
    """A share below 1 in rows (at least one, at most `largest`); from 1 on a number of rows."""
    if share >= 1:
        return int(share)
    if share > 0:
        return min(max(1, round(share * rows)), largest)
    return 0


class _Pool:
    """The clusters of rows, C of them, in an order that content and seed alone decide."""

    def __init__(self, traits: Traits, row_R: np.ndarray, root_R: np.ndarray, seed: int) -> None:
        root_C, number_R = np.unique(root_R, return_inverse=True)
        content_R, answered_R = traits.column("content")[row_R], traits.column("answered")[row_R]
        first_C = np.full(len(root_C), -1)  # the row with the smallest hash stands for its cluster
        ordered = np.argsort(content_R, kind="stable")[::-1]
        first_C[number_R[ordered]] = ordered

        key_C = np.empty(len(root_C), dtype="S32")
        for number, first in enumerate(first_C.tolist()):
            key_C[number] = _key(seed, bytes(content_R[first]))

        order = np.lexsort((root_C, key_C))
        place_C = np.empty_like(order)
        place_C[order] = np.arange(len(order))
        self.size = len(order)
        self.cluster_R = place_C[number_R]
        self.rows_C = np.bincount(self.cluster_R, minlength=self.size)
        self.answered_C = np.bincount(self.cluster_R[answered_R], minlength=self.size) == self.rows_C
        """Every row ends in an answer of words, so that it can be scored."""
        self.label_C = traits.column("label")[row_R][first_C[order]]
        self.label_names = traits.label_names

    def first(self, among_R: np.ndarray, share: float) -> np.ndarray:
        """Marks the first clusters that hold about `share` of the rows among those marked, at least one: what is marked
        for a smaller share is marked for a larger one."""
        rows_C = np.bincount(self.cluster_R[among_R], minlength=self.size)
        ahead_C = np.cumsum(rows_C) - rows_C / 2  # a cluster is in when most of it is
        inside_C = ahead_C <= share * rows_C.sum()
        inside_C[np.flatnonzero(rows_C)[:1]] = True
        return among_R & inside_C[self.cluster_R]

    def take(self, among_C: np.ndarray, wanted: int, rows: int, part: str) -> np.ndarray:
        """About `wanted` rows, in proportion to the labels: whole clusters, of those marked, in their order, but first
        those that leave room for FEWEST_CLUSTERS. Where the clusters are larger than what is wanted of their labels,
        the labels are no matter."""
        if not wanted:
            return np.zeros(0, dtype=np.int64)

        pool = np.flatnonzero(among_C)
        large = self.rows_C[pool] > max(1, wanted // FEWEST_CLUSTERS)
        pool = np.concatenate([pool[~large], pool[large]])
        strata = {self.label_names[label]: pool[self.label_C[pool] == label] for label in np.unique(self.label_C[pool])}
        quotas = _quotas({label: int(self.rows_C[stratum].sum()) for label, stratum in strata.items()}, wanted)
        taken = [cluster for label in sorted(strata) for cluster in self._fill(strata[label], quotas[label])]

        missing = wanted - int(self.rows_C[taken].sum())
        if 2 * missing > wanted:
            taken += self._fill(pool[~np.isin(pool, taken)], missing)

        if not taken and len(pool):  # every cluster is larger than the part: the smallest, if most rows are left
            smallest = int(pool[np.argmin(self.rows_C[pool])])
            if self.rows_C[smallest] <= rows // 3:
                taken = [smallest]
            else:
                taken = []

        if not taken and not self.answered_C.any():
            fix = "give rows with answers; to learn text as it is, set method: pretrain"
            raise DataError(f"no rows can be held out for {part}: none ends in an answer", fix=fix)
        if not taken:
            raise DataError(
                f"no rows can be held out for {part}: all rows are one group or near-duplicates of each other, "
                "or none ends in an answer",
                fix="bring more varied rows; or set split: {near_duplicates: false}, or "
                f"split: {{{part}: 0}} to go without",
            )

        return np.array(taken, dtype=np.int64)

    def _fill(self, stratum: np.ndarray, room: int) -> list[int]:
        taken = []
        for cluster in stratum.tolist():
            if not room:
                break
            if self.rows_C[cluster] <= room:
                taken.append(cluster)
                room -= int(self.rows_C[cluster])
        return taken


def _key(seed: int, content: bytes) -> bytes:
    return hashlib.sha256(f"{seed} {content.ljust(32, bytes(1)).hex()}".encode()).digest()


def _quotas(sizes: dict[str, int], wanted: int) -> dict[str, int]:
    """Shares of `wanted` by largest remainder, ties by label."""
    total = sum(sizes.values())
    exact = {label: wanted * size / total for label, size in sizes.items()}
    quotas = {label: int(share) for label, share in exact.items()}
    order = sorted(exact, key=lambda label: (quotas[label] - exact[label], label))
    for label in order[: wanted - sum(quotas.values())]:
        quotas[label] += 1
    return quotas


def refuse_too_few(rows: int, test: int, validation: int) -> None:
    needed = max(1 + bool(test) + bool(validation), test + validation + 1)
    if rows < needed:
        raise DataError(
            f"too few rows: {rows}, but {validation} for validation, {test} for test and at least 1 to learn from "
            f"make {needed}",
            fix=f"bring at least {needed} rows; or, to learn from all of these without a verdict: whet train with "
            "--set 'split={validation: 0, test: 0}'",
        )
