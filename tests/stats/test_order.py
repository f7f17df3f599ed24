"""The interval of a median holds the true one as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from whet.stats.order import median_interval


@pytest.mark.parametrize("n", [20, 101, 1000])
def test_it_covers_the_median_as_the_binomial_says(n: int) -> None:
    """By the exact probability that the two chosen numbers lie on both sides of the true median."""
    _, low, high = median_interval(range(n))
    covered = binom.cdf(high, n, 0.5) - binom.cdf(low, n, 0.5)
    assert 0.945 <= covered <= 0.985


def test_the_median_is_numpys() -> None:
    for n in (1, 2, 7, 50):
        values = sorted(np.random.default_rng(n).exponential(size=n).tolist())
        middle, low, high = median_interval(values)
        assert middle == pytest.approx(np.median(values))
        assert values[0] <= low <= middle <= high <= values[-1]


def test_nothing_has_no_median() -> None:
    with pytest.raises(ValueError):
        median_interval([])
