"""Group f: random inputs through every function of the statistics, with what comes out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.golden.places import find

INPUTS = 200
LABELS = ("ham", "spam", "news", "other")


def binary(random: Random, size: int) -> list[float]:
    share = random.random()
    return [float(random.random() < share) for _ in range(size)]


def real(random: Random, size: int) -> list[float]:
    return [random.random() if random.random() < 0.8 else 1.0 for _ in range(size)]


def free(random: Random, size: int) -> list[float]:
    return [random.gauss(0.2, 3.0) for _ in range(size)]


def binned(random: Random, size: int) -> list[float]:
    return [random.random() for _ in range(size)]


def values(random: Random, size: int) -> list[float]:
    return random.choice((binary, real, free))(random, size)


def rows(random: Random) -> int:
    return random.choice((1, 2, 4, 5, 9, 17, 40, 90))


def grouped(random: Random, size: int) -> list[str] | None:
    return [f"g{random.randrange(max(1, size // 3))}" for _ in range(size)] if random.random() < 0.4 else None


def two(random: Random) -> dict[str, Any]:
    size, kind = rows(random), random.choice((binary, real, free))
    return {"base": kind(random, size), "tuned": kind(random, size), "clusters": grouped(random, size)}


def units(random: Random) -> tuple[np.ndarray, np.ndarray]:
    size = max(2, rows(random))
    sizes = [float(random.randint(1, 4)) for _ in range(size)] if random.random() < 0.5 else [1.0] * size
    return np.array(free(random, size)), np.array(sizes)


def alike(random: Random) -> tuple[np.ndarray, np.ndarray]:
    """Units of which some sets all agree."""
    sums, sizes = units(random)
    return (sizes * 0.5, sizes) if random.random() < 0.2 else (sums, sizes)


def sizes(random: Random) -> list[int]:
    return [random.choice((1, 1, 1, 2, 5)) for _ in range(rows(random))]


def share(random: Random) -> float:
    return random.uniform(0.01, 0.99)


def labels(random: Random, size: int) -> list[str]:
    return [random.choice(LABELS) for _ in range(size)]


def sets(random: Random, size: int) -> list[list[str]]:
    return [random.sample(LABELS, random.choice((1, 1, 1, 0, 2))) for _ in range(size)]


def outcomes(random: Random, size: int) -> list[float]:
    return [random.choice((0.0, 0.5, 1.0, 1.0)) for _ in range(size)]


Call = tuple[tuple[Any, ...], dict[str, Any]]


def pair(random: Random, size: int) -> tuple[np.ndarray, np.ndarray]:
    kind = random.choice((binary, real, free))
    return np.array(kind(random, size)), np.array(kind(random, size))


def counts(random: Random) -> tuple[int, int, int]:
    total = random.randint(1, 300)
    losses = random.randint(0, total)
    return losses, random.randint(0, total - losses), total


CALLS: dict[str, Callable[[Random], Call]] = {
    "paired_difference": lambda r: ((), two(r) | {"seed": r.randrange(3)}),
    "verdict": lambda r: ((), two(r) | {"margin": r.choice((0.0, 0.02))}),
    "tango": lambda r: (counts(r), {}),
    "wilson": lambda r: ((counts(r)[0], 300), {}),
    "mean_interval": lambda r: ((values(r, n := rows(r)),), {"clusters": grouped(r, n)}),
    "win_interval": lambda r: ((outcomes(r, n := rows(r)), r.randrange(3), grouped(r, n)), {}),
    "cluster_codes": lambda r: ((grouped(r, n := rows(r)), n), {}),
    "changes": lambda r: (pair(r, rows(r)), {}),
    "as_units": lambda r: ((np.array(free(r, 9)), np.array([r.randrange(4) for _ in range(9)])), {}),
    "interval": lambda r: ((*alike(r), r.randrange(3), (-9.0, 9.0)), {}),
    "spread": lambda r: ((*alike(r), r.randrange(3), (-1.0, 1.0)), {}),
    "standard_error": lambda r: (units(r), {}),
    "student": lambda r: (units(r), {}),
    "bootstrap_t": lambda r: ((*units(r), r.randrange(3)), {}),
    "sign_flip": lambda r: ((units(r)[0], r.randrange(3)), {}),
    "mcnemar_p": lambda r: (counts(r)[:2], {}),
    "mcnemar_power": lambda r: ((r.randint(1, 2000), share(r), share(r)), {"exact": r.random() < 0.5}),
    "rejection_limit": lambda r: ((np.array([float(r.randint(0, 500)) for _ in range(5)]),), {}),
    "exact_limit": lambda r: ((np.array([float(r.randint(0, 500)) for _ in range(5)]),), {}),
    "detectable_gain": lambda r: ((r.randint(1, 300), share(r), r.choice((0.5, 0.8, 0.9))), {}),
    "worth": lambda r: ((sizes(r),), {}),
    "clustered_power": lambda r: ((r.randint(5, 60), r.uniform(5, 90), share(r), share(r)), {}),
    "promised_gain": lambda r: ((sizes(r),), {"discordance": share(r)}),
    "rows_for_gain": lambda r: ((share(r), share(r), r.choice((0.5, 0.8, 0.9))), {}),
    "power_facts": lambda r: ((sizes(r),), {}),
    "rows_needed": lambda r: ((), two(r)),
    "rows_for_mean": lambda r: ((r.uniform(-1, 1), r.uniform(1, 4), share(r)), {}),
    "rows_for_equivalence": lambda r: ((r.uniform(-0.05, 0.05), r.random(), 0.04, share(r)), {}),
    "design_effect": lambda r: ((np.array(free(r, n := rows(r))), grouped(r, n)), {}),
    "effective_rows": lambda r: ((), two(r)),
    "cohens_kappa": lambda r: ((labels(r, n := rows(r)), labels(r, n), grouped(r, n)), {}),
    "holm": lambda r: (([r.random() ** 3 for _ in range(rows(r))],), {}),
    "calibration": lambda r: ((binned(r, n := rows(r)), binary(r, n)), {}),
    "preferred": lambda r: ((outcomes(r, n := rows(r)),), {"rows": labels(r, n), "clusters": grouped(r, n)}),
    "win_rate": lambda r: ((real(r, n := rows(r)), real(r, n), "rules", r.randrange(3), grouped(r, n)), {}),
    "length_controlled": lambda r: ((outcomes(r, n := rows(r)), free(r, n)), {}),
    "class_facts": lambda r: ((sets(r, n := rows(r)), sets(r, n)), {}),
    "confusion": lambda r: ((labels(r, n := rows(r)), labels(r, n)), {}),
    "lost_classes": lambda r: ((sets(r, n := rows(r)), sets(r, n), sets(r, n)), {}),
}
"""How each function is called, from a source of chance of its own."""


def make(folder: Path, only: str = "") -> Iterator[tuple[str, Any]]:
    for name in CALLS:
        if not only or name == only:
            yield name, results(name, INPUTS)


def results(name: str, inputs: int) -> list[Any]:
    """What comes out for so many inputs; of one that is refused, the message."""
    import whet

    found = []
    for number in range(inputs):
        positional, named = CALLS[name](Random(f"{name} {number}"))
        try:
            found.append(plain(find(name)(*positional, **named)))
        except whet.errors.WhetError as error:
            found.append(f"refused: {error}")
    return found


def plain(value: Any) -> Any:
    """As JSON has it, with the order of fields, and what JSON has no number for as a word."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(inner) for inner in value]
    value = value.item() if isinstance(value, np.generic) else value
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value
