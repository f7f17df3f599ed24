"""Two orders of passages made one: reciprocal rank fusion (Cormack, Clarke and Buettcher 2009,
doi:10.1145/1571941.1572114). Scores of words and of vectors cannot be compared; ranks can."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
DAMPING = 60
"""The paper's k: how little the first places count more than the next ones."""
DEPTH = 100
"""Hits of each order that are joined, whatever number is asked for: so that a longer list begins as a shorter one."""


def fused(
    lists: Iterable[Sequence[T]], key: Callable[[T], str], order: Callable[[T], Any], count: int
) -> list[tuple[T, float]]:
    """At most `count`, best first, each with the sum of 1 / (60 + rank) over the lists that hold it. `key` says which
    hits are the same; equal sums stand by `order`."""
    held: dict[str, tuple[T, float]] = {}
    for hits in lists:
        for rank, hit in enumerate(hits, start=1):
            first, score = held.get(key(hit), (hit, 0.0))
            held[key(hit)] = first, score + 1 / (DAMPING + rank)
    best = sorted(held.values(), key=lambda each: (-each[1], order(each[0])))
    return best[:count]
