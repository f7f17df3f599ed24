"""Telling two samples apart, beside references that are not ours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from whet.stats.two_samples import LinearClassifier, auc, cross_fitted


def samples(shift: float, seed: int = 0, rows: int = 150) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(rows, 8)), random.normal(size=(rows, 8)) + shift


def test_the_area_is_mann_whitneys() -> None:
    random = np.random.default_rng(0)
    one, other = np.round(random.normal(size=40), 1), np.round(random.normal(0.4, 1, 60), 1)
    area, low, high = auc(one, other)
    assert area == pytest.approx(mannwhitneyu(other, one).statistic / (40 * 60))
    assert low < area < high


def test_the_interval_is_delongs() -> None:
    """By its definition: structural components, pair by pair."""
    random = np.random.default_rng(1)
    one, other = np.round(random.normal(size=30), 1), np.round(random.normal(0.8, 1, 20), 1)
    psi = (other[None] > one[:, None]) + 0.5 * (other[None] == one[:, None])
    error = np.sqrt(psi.mean(axis=1).var(ddof=1) / 30 + psi.mean(axis=0).var(ddof=1) / 20)
    area, low, high = auc(one, other, z=1.0)
    assert (area - low, high - area) == pytest.approx((error, error))


def test_equal_samples_cannot_be_told_apart() -> None:
    areas = [auc(*cross_fitted(*samples(0.0, seed)))[0] for seed in range(30)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.02)


def test_shifted_samples_can() -> None:
    area, low, _ = auc(*cross_fitted(*samples(0.6)))
    assert area > 0.75 and low > 0.7


def test_no_row_is_scored_by_a_classifier_that_has_seen_it() -> None:
    """With as many features as rows a classifier knows every row that it saw."""
    random = np.random.default_rng(2)
    one, other = random.normal(size=(40, 80)), random.normal(size=(40, 80))
    seen = LinearClassifier(one, other)
    assert auc(seen.score(one), seen.score(other))[0] > 0.95
    assert auc(*cross_fitted(one, other))[0] < 0.75


def test_a_constant_feature_does_no_harm() -> None:
    one, other = samples(0.6)
    one[:, 0], other[:, 0] = 3.0, 3.0
    assert np.isfinite(LinearClassifier(one, other).score(other)).all()
