"""Does a probability mean what it says? Rows in bins of confidence, and how far off the bins are on average."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from whet.errors import DataError

BINS = 10


class BinFacts(TypedDict):
    """The rows whose confidence lies between `low` and `high`."""

    low: float
    high: float
    rows: int
    confidence: float
    right: float


class CalibrationFacts(TypedDict):
    ece: float
    """The expected calibration error."""
    rows: int
    bins: list[BinFacts]


def calibration(confidence: ArrayLike, right: ArrayLike) -> CalibrationFacts:
    """`ece`, the expected calibration error (Guo et al. 2017, arXiv 1706.04599, eq. 3): the mean distance of confidence
    and share of right answers over bins of equal width, weighted by their rows; `bins`, the reliability table behind
    it, without empty bins. `right` lies between 0 and 1. Raises DataError for what is no probability."""
    confidence_R, right_R = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    if confidence_R.shape != right_R.shape or not confidence_R.size:
        raise DataError("there must be one outcome a confidence, and at least one", value=confidence_R.shape)
    if not ((confidence_R >= 0) & (confidence_R <= 1)).all():
        raise DataError("a confidence must lie between 0 and 1", value=float(confidence_R.max()))

    bin_R = np.minimum((confidence_R * BINS).astype(int), BINS - 1)
    table: list[BinFacts] = []
    for number in range(BINS):
        inside = bin_R == number
        if inside.any():
            table.append(
                {
                    "low": number / BINS,
                    "high": (number + 1) / BINS,
                    "rows": int(inside.sum()),
                    "confidence": float(confidence_R[inside].mean()),
                    "right": float(right_R[inside].mean()),
                }
            )

    ece = sum(row["rows"] * abs(row["confidence"] - row["right"]) for row in table) / confidence_R.size
    return {"ece": ece, "rows": int(confidence_R.size), "bins": table}
