"""Holm's correction, against statsmodels and against what it promises."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from whet.errors import DataError
from whet.stats.multiple_tests import holm


def test_holm_is_that_of_statsmodels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ties, zeros and ones among them: every third list is rounded to one decimal."""
    monkeypatch.setattr(gc, "collect", lambda: 0)  # statsmodels calls it each time: among all tests, a second a call
    random = np.random.default_rng(0)
    for case in range(40):
        p_values = random.uniform(size=random.integers(1, 13)) ** 2
        p_values = p_values.round(1) if case % 3 == 0 else p_values
        assert holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)


def test_a_small_example_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_the_chance_of_any_false_finding_stays_at_the_level() -> None:
    random = np.random.default_rng(0)
    false = np.mean([min(holm(random.uniform(size=5))) < 0.05 for _ in range(4000)])
    assert false < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize("wrong", [[0.1, 1.2], [-0.1], [float("nan")]])
def test_what_is_no_p_value_is_refused(wrong: list[float]) -> None:
    with pytest.raises(DataError, match="p-values"):
        holm(wrong)
