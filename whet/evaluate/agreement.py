"""Do two judges agree more than chance would: Cohen's kappa with its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from whet.errors import DataError, count
from whet.evaluate.statistics import Z


def cohens_kappa(first: Sequence[str], second: Sequence[str]) -> dict[str, Any]:
    """Labels of the same items by two judges: kappa (Cohen 1960, doi:10.1177/001316446002000104), low and high with the
    large-sample standard error (Fleiss, Cohen and Everitt 1969, doi:10.1037/h0028106), agreement (share of equal
    labels) and rows. kappa and interval are None where both use one and the same label only: chance then agrees always.
    Raises DataError for lists of different lengths.
    """
    if len(first) != len(second):
        raise DataError("two judges must have judged the same items", value=(len(first), len(second)))
    rows = len(first)
    if not rows:
        return {"kappa": None, "low": None, "high": None, "agreement": None, "rows": 0}
    labels = sorted({*first, *second})
    place = {label: number for number, label in enumerate(labels)}
    share = np.zeros((len(labels), len(labels)))
    for one, other in zip(first, second, strict=True):
        share[place[one], place[other]] += 1 / rows
    row, column = share.sum(1), share.sum(0)
    agreed, chance = float(np.trace(share)), float(row @ column)
    if chance > 1 - 1e-12:
        return {"kappa": None, "low": None, "high": None, "agreement": agreed, "rows": rows}
    kappa = (agreed - chance) / (1 - chance)
    reach = Z * math.sqrt(variance(share, row, column, kappa, chance) / rows)
    low, high = max(-1.0, kappa - reach), min(1.0, kappa + reach)
    return {"kappa": kappa, "low": low, "high": high, "agreement": agreed, "rows": rows}


def variance(share: np.ndarray, row: np.ndarray, column: np.ndarray, kappa: float, chance: float) -> float:
    """Times rows; Fleiss, Cohen and Everitt 1969, equation 13."""
    diagonal = np.diag(share)
    own = float(np.sum(diagonal * (1 - (row + column) * (1 - kappa)) ** 2))
    crossed = share * (column[:, None] + row[None, :]) ** 2
    other = (1 - kappa) ** 2 * float(crossed.sum() - np.trace(crossed))
    return max(0.0, own + other - (kappa - chance * (1 - kappa)) ** 2) / (1 - chance) ** 2


def told_agreement(found: dict[str, Any], with_whom: str) -> str:
    """One sentence, with the usual words for the size of kappa left out: they are arbitrary."""
    if not found["rows"]:
        return ""
    agreed = f"Agreement with {with_whom} on {count(found['rows'], 'row')}: {found['agreement']:.0%}"
    if found["kappa"] is None:
        return f"{agreed}; both used one label only, so kappa says nothing."
    return f"{agreed}, Cohen's kappa {found['kappa']:.2f} (95% interval {found['low']:.2f} to {found['high']:.2f})."
