"""The calibration error is its definition, and sees over- and underconfidence."""

from __future__ import annotations

import numpy as np
import pytest

from whet.errors import DataError
from whet.stats.calibration import calibration


def test_the_error_is_the_weighted_distance_of_the_bins() -> None:
    confidence = [0.62, 0.68, 0.95, 0.91, 0.99, 1.0]
    right = [1, 0, 1, 1, 0, 1]
    found = calibration(confidence, right)
    first, second = abs(0.65 - 0.5), abs((0.95 + 0.91 + 0.99 + 1.0) / 4 - 0.75)
    assert found["ece"] == pytest.approx((2 * first + 4 * second) / 6)
    assert [(row["low"], row["rows"]) for row in found["bins"]] == [(0.6, 2), (0.9, 4)]


def test_honest_confidence_has_no_error_and_boasting_has() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 40_000)
    right = rng.uniform(size=40_000) < confidence
    assert calibration(confidence, right)["ece"] < 0.01
    boasting = calibration(np.minimum(1.0, confidence + 0.2), right)["ece"]
    assert 0.1 < boasting < 0.21


def test_what_is_no_probability_is_refused() -> None:
    for confidence, right in (([1.2], [1]), ([0.5], [1, 0]), ([], [])):
        with pytest.raises(DataError):
            calibration(confidence, right)
