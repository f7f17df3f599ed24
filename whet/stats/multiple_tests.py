"""Several comparisons at once: p-values adjusted so that the chance of any false finding stays at the nominal level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whet.errors import DataError


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p of each comparison, in the order given; compare it with the level that one comparison would have.

    Step-down Bonferroni (Holm 1979, Scandinavian Journal of Statistics 6:65-70): the smallest p is multiplied by the
    number of comparisons m, the next by m - 1, and so on, never below the one before it and never above 1. Holds for
    comparisons that depend on each other in any way, as arms that answer the same rows do. Raises DataError for a p
    outside 0..1.
    """
    p_M = np.asarray(p_values, dtype=float)
    if p_M.size == 0:
        return []
    if p_M.ndim != 1 or not np.all((p_M >= 0) & (p_M <= 1)):  # a NaN fails this too
        raise DataError("p-values must be a list of numbers from 0 to 1", value=list(p_values))

    order_M = np.argsort(p_M, kind="stable")
    stepped_M = np.maximum.accumulate(p_M[order_M] * np.arange(p_M.size, 0, -1))
    adjusted_M = np.empty_like(p_M)
    adjusted_M[order_M] = np.minimum(stepped_M, 1.0)

    return adjusted_M.tolist()
