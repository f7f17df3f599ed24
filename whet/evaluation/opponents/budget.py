"""What opponents may cost, in tokens, and which test rows they are asked where all would cost too much.

Costs are counted in tokens that are read once, and not in seconds, so that the same recipe asks the same rows on every
machine. To learn a token is to read it three times (forward, and twice as much backward: Kaplan et al. 2020, arXiv
2001.08361, section 2.1). That to write one costs as much as to read WRITE is a convention: it bounds what is asked, and
no number in a report depends on it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

LEARN = 3.0
WRITE = 4.0
SHARE = 0.3
"""Of what the run cost so far, for all opponents together."""
FEWEST = 50
"""Test rows that are asked at least, if there are so many: fewer can prove nothing."""


def reading_cost(prompts: Sequence[Sequence[int]]) -> float:
    return float(sum(map(len, prompts)))


def writing_cost(prompts: Sequence[Sequence[int]], tokens: float) -> float:
    """Cost of `tokens` written after each prompt."""
    return reading_cost(prompts) + WRITE * tokens * len(prompts)


def affordable(allowed: float, fixed: float, per_row: float, rows: int) -> int:
    """How many of the test rows may be asked: all if they fit, else at least FEWEST."""
    if fixed + per_row * rows <= allowed:
        return rows
    return min(rows, max(FEWEST, int((allowed - fixed) / per_row)))


def sample(rows: int, wanted: int, clusters: Sequence[object] | None, seed: int) -> list[int]:
    """Places of at least `wanted` rows, in their order: whole clusters, drawn by the seed."""
    if wanted >= rows:
        return list(range(rows))

    if clusters is None:
        clusters = range(rows)
    members: dict[object, list[int]] = {}
    for place, name in enumerate(clusters):
        members.setdefault(name, []).append(place)

    names = list(members)
    random.Random(seed).shuffle(names)

    chosen: list[int] = []
    for name in names:
        if len(chosen) >= wanted:
            break

        chosen += members[name]

    return sorted(chosen)
