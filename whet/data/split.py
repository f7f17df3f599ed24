"""Which rows are held out: decided by their content, so that the order of the file and new rows hardly change it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from whet.data.clusters import clusters, content_hash
from whet.errors import DataError
from whet.recipe.schema import Split
from whet.types import Row


@dataclass(slots=True)
class Parts:
    """Positions in the list of rows, ascending. No row is in two parts, and none is missing."""

    train: list[int] = field(default_factory=list)
    validation: list[int] = field(default_factory=list)
    test: list[int] = field(default_factory=list)


def split(rows: Sequence[Row], settings: Split, seed: int, *, own_test: bool = False) -> Parts:
    """Hold out a test and a validation part. With `own_test` only a validation part.

    Groups, duplicates and near-duplicates stay together; where rows have labels, every label is held out in
    proportion. Raises DataError when there are too few rows, or when all belong together.
    """
    wanted_test = 0 if own_test else size_of(settings.test, settings.max_test, len(rows))
    wanted_validation = size_of(settings.validation, settings.max_validation, len(rows))
    _refuse_too_few(len(rows), wanted_test, wanted_validation)
    members: dict[int, list[int]] = defaultdict(list)
    for position, root in enumerate(clusters(rows, settings.near_duplicates)):
        members[root].append(position)
    hashes = [content_hash(row) for row in rows]
    pool = sorted((_Cluster.of(rows, positions, hashes, seed) for positions in members.values()), key=lambda c: c.key)
    testable = [cluster for cluster in pool if cluster.answered]
    test = _take(testable, wanted_test, len(rows), "test")
    taken = {cluster.key for cluster in test}
    validation = _take([c for c in pool if c.key not in taken], wanted_validation, len(rows), "validation")
    held = {position for cluster in (*test, *validation) for position in cluster.positions}
    return Parts(
        train=[position for position in range(len(rows)) if position not in held],
        validation=sorted(position for cluster in validation for position in cluster.positions),
        test=sorted(position for cluster in test for position in cluster.positions),
    )


def leaks(train: Sequence[Row], test: Sequence[Row], near_duplicates: bool = True) -> list[int]:
    """Positions of training rows that belong together with a row of the user's own test file."""
    roots = clusters([*test, *train], near_duplicates)
    tested = set(roots[: len(test)])
    return [position for position, root in enumerate(roots[len(test) :]) if root in tested]


def size_of(share: float, largest: int, rows: int) -> int:
    """A share below 1 in rows (at least one, at most `largest`); from 1 on a number of rows."""
    if share >= 1:
        return int(share)
    return min(max(1, round(share * rows)), largest) if share > 0 else 0


@dataclass(frozen=True, slots=True)
class _Cluster:
    key: str
    """Orders clusters by content and seed alone."""
    positions: tuple[int, ...]
    label: str
    answered: bool
    """Every row ends in an answer of words, so that it can be scored."""

    @staticmethod
    def of(rows: Sequence[Row], positions: list[int], hashes: Sequence[str], seed: int) -> _Cluster:
        first = min(positions, key=lambda position: hashes[position])
        key = hashlib.sha256(f"{seed} {hashes[first]}".encode()).hexdigest() + f"{positions[0]:012d}"
        answered = all(rows[position].reference.strip() for position in positions)
        return _Cluster(key, tuple(positions), rows[first].label or "", answered)


def _take(pool: Sequence[_Cluster], wanted: int, rows: int, part: str) -> list[_Cluster]:
    """About `wanted` rows, in proportion to the labels; whole clusters in the order of their keys."""
    if not wanted:
        return []
    strata: dict[str, list[_Cluster]] = defaultdict(list)
    for cluster in pool:
        strata[cluster.label].append(cluster)
    quotas = _quotas({label: sum(len(c.positions) for c in group) for label, group in strata.items()}, wanted)
    taken: list[_Cluster] = []
    for label in sorted(strata):
        room = quotas[label]
        for cluster in strata[label]:
            if len(cluster.positions) <= room:
                taken.append(cluster)
                room -= len(cluster.positions)
    if not taken and pool:  # every cluster is larger than the part: the smallest, if most rows are left to learn from
        smallest = min(pool, key=lambda cluster: (len(cluster.positions), cluster.key))
        taken = [smallest] if len(smallest.positions) <= rows // 3 else []
    if not taken:
        raise DataError(
            f"no rows can be held out for {part}: all rows are one group or near-duplicates of each other, "
            "or none ends in an answer",
            fix="bring more varied rows; or set split: {near_duplicates: false}, or "
            f"split: {{{part}: 0}} to go without",
        )
    return taken


def _quotas(sizes: dict[str, int], wanted: int) -> dict[str, int]:
    """Shares of `wanted` by largest remainder, ties by label."""
    total = sum(sizes.values())
    exact = {label: wanted * size / total for label, size in sizes.items()}
    quotas = {label: int(share) for label, share in exact.items()}
    order = sorted(exact, key=lambda label: (quotas[label] - exact[label], label))
    for label in order[: wanted - sum(quotas.values())]:
        quotas[label] += 1
    return quotas


def _refuse_too_few(rows: int, test: int, validation: int) -> None:
    needed = max(1 + bool(test) + bool(validation), test + validation + 1)
    if rows < needed:
        raise DataError(
            f"too few rows: {rows}, but {validation} for validation, {test} for test and at least 1 to learn from "
            f"make {needed}",
            fix="bring more rows, or set split: {validation: 0, test: 0}",
        )
