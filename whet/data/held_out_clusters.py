"""Which test rows are one draw in a comparison, kept beside the prepared rows and written into them.

They are those that the split keeps together. Of a test file of the user's own nothing can be said by a split, so they
are looked for among its rows; so are near-duplicates where the recipe lets the split part them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from whet.data.ledger import Ledger
from whet.data.split.clusters import Apart, clusters
from whet.data.split.disjoint_sets import Union
from whet.data.split.row_traits import Traits
from whet.errors import count
from whet.types import Row

HALF = 0.5
"""More than this share of the test rows with one passage is no cluster, but what all are about."""
NAMED = 3
"""Of the prompts and frames on both sides, how many are named one by one."""


def drawn_together(rows: Sequence[Row], cluster_T: np.ndarray, near_duplicates: bool) -> np.ndarray:
    """Of each test row a number, which rows of one cluster share: as the split found them (`cluster_T`), by the passage
    that a column names, and by near-duplicates where the split did not look for them."""
    union = Union(len(rows))
    _, first_C, cluster_T = np.unique(cluster_T, return_index=True, return_inverse=True)
    union.join_all(first_C[cluster_T])

    rows_of = Counter(row.passage for row in rows)
    digests = []
    for row in rows:
        digest = b""
        if row.passage and rows_of[row.passage] <= HALF * len(rows):
            digest = hashlib.blake2b(row.passage.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        digests.append(digest)
    union.join_equal(np.array(digests, "S16"))

    if not near_duplicates and rows:
        union.join_all(clusters(Traits.of(rows), own_test=True))
    return union.roots()


def name_clusters(rows: Sequence[Row], cluster_T: np.ndarray) -> None:
    """Fill in `cluster` of the test rows that are not alone: the group's name where there is one, or the place of the
    first of its rows."""
    members: dict[int, list[Row]] = {}
    for row, number in zip(rows, cluster_T.tolist(), strict=True):
        members.setdefault(number, []).append(row)

    for together in members.values():
        if len(together) > 1:
            name = next((row.group for row in together if row.group), together[0].where)
            for row in together:
                row.cluster = str(name)


def found_together(rows: Sequence[Row]) -> None:
    """The same for rows that nobody has split, such as a suite's: their clusters are looked for among themselves."""
    if rows:
        name_clusters(rows, drawn_together(rows, clusters(Traits.of(rows), large=HALF), True))


def on_both_sides(apart: Sequence[Apart], indices: np.ndarray, ledger: Ledger) -> list[dict[str, Any]]:
    """What the split could not hold out together, as facts; the most rows first. `indices`: row of each position."""
    facts = []
    for group in apart:
        where = ledger.entry(int(indices[group.first])).where
        facts.append({"kind": group.kind, "rows": group.rows, "where": where})
    return sorted(facts, key=lambda group: (-group["rows"], group["where"]))


def notes_on_both_sides(apart: Sequence[dict[str, Any]]) -> list[str]:
    """The same in sentences for people."""
    prompts = [group for group in apart if group["kind"] == "prompt"]
    frames = [group for group in apart if group["kind"] == "frame"]

    notes = []
    if prompts:
        notes.append(_note(prompts, "the same prompt", "prompts"))
    if frames:
        notes.append(_note(frames, "one frame, filled in with other names or numbers", "templates"))
    return notes


def _note(groups: Sequence[dict[str, Any]], what: str, others: str) -> str:
    rows = sum(group["rows"] for group in groups)
    places = ", ".join(group["where"] for group in groups[:NAMED])
    if len(groups) > NAMED:
        places += ", ..."

    each = "have"
    if len(groups) > 1:
        each = f"are {len(groups)} sets that each have"
    return (
        f"{count(rows, 'row')} {each} {what} (as {places}): too many to be held out together, so they are on both "
        f"sides of the split, and the verdict says nothing about other {others}."
    )
