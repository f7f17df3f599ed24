"""Bradley-Terry for two and Cohen's kappa, against statsmodels and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from statsmodels.discrete.discrete_model import Logit
from statsmodels.stats.inter_rater import cohens_kappa as theirs

from whet.errors import DataError
from whet.evaluate.agreement import cohens_kappa, told_agreement
from whet.evaluate.families import family_of, same_family
from whet.evaluate.preferred import preferred, told


def test_the_interval_is_that_of_a_logistic_regression_with_an_intercept_only() -> None:
    outcomes = [1.0] * 31 + [0.0] * 14
    fit: Any = Logit(outcomes, np.ones(45)).fit(disp=0)
    found = preferred(outcomes)
    assert found["strength"] == pytest.approx(float(fit.params[0])) == pytest.approx(math.log(31 / 14))
    assert (found["low"], found["high"]) == pytest.approx(tuple(expit(fit.conf_int()[0])), abs=1e-6)


def test_several_judgements_of_a_row_are_one_cluster() -> None:
    random = np.random.default_rng(0)
    rows = np.repeat(np.arange(25), 3)
    outcomes = (random.random(75) < np.repeat(random.beta(2, 1, 25), 3)).astype(float)
    keywords = {"groups": rows, "use_correction": False}
    fit: Any = Logit(outcomes, np.ones(75)).fit(disp=0, cov_type="cluster", cov_kwds=keywords)
    found = preferred(outcomes.tolist(), rows.tolist())
    assert (found["low"], found["high"]) == pytest.approx(tuple(expit(fit.conf_int()[0])), abs=1e-6)
    assert found["judged"] == 25


def test_the_interval_covers() -> None:
    random = np.random.default_rng(1)
    for shares, rows in (((0.5, 0.2, 0.3), 40), ((0.3, 0.4, 0.3), 60), ((0.7, 0.0, 0.3), 100)):
        truth = shares[0] + shares[1] / 2
        draws = [preferred(random.choice([1.0, 0.5, 0.0], rows, p=shares).tolist()) for _ in range(2000)]
        inside = np.mean([one["low"] <= truth <= one["high"] for one in draws])
        assert 0.935 < inside < 0.97  # outcomes come in steps, so it is not 0.95 everywhere


@pytest.mark.parametrize("outcomes", [[1.0] * 8, [0.0] * 8, [0.5] * 8, [1.0]])
def test_agreement_of_all_is_not_certainty(outcomes: list[float]) -> None:
    found = preferred(outcomes)
    assert 0 < found["low"] < found["high"] < 1 and math.isfinite(found["strength"])
    assert found["low"] <= found["rate"] or found["rate"] == 0.0


def test_nothing_judged_is_said() -> None:
    assert preferred([])["rate"] is None and "Nothing" in told(preferred([]), "people")


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_statsmodels(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.array(["base", "tie", "tuned"])
    first = random.integers(0, 3, 80)
    second = np.where(random.random(80) < 0.6, first, random.integers(0, 3, 80))
    table = np.zeros((3, 3))
    np.add.at(table, (first, second), 1)
    reference: Any = theirs(table)
    found = cohens_kappa(labels[first].tolist(), labels[second].tolist())
    assert found["kappa"] == pytest.approx(reference.kappa)
    assert (found["low"], found["high"]) == pytest.approx((reference.kappa_low, reference.kappa_upp), abs=1e-6)


def test_the_textbook_example() -> None:
    """Cohen's grant example as it stands on Wikipedia: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohens_kappa(first, second)["kappa"] == pytest.approx(0.4)


def test_one_label_only_leaves_kappa_open() -> None:
    found = cohens_kappa(["tuned"] * 4, ["tuned"] * 4)
    assert found["kappa"] is None and "kappa says nothing" in told_agreement(found, "people")
    assert cohens_kappa([], [])["rows"] == 0 and told_agreement(cohens_kappa([], []), "people") == ""
    with pytest.raises(DataError):
        cohens_kappa(["a"], [])


@pytest.mark.parametrize(
    ("judge", "contestant", "related"),
    [
        ("qwen2.5-72b-instruct", "Qwen/Qwen3-0.6B", True),
        ("deepseek-r1-distill-qwen-32b", "Qwen/Qwen3-0.6B", True),
        ("gpt-4o", "Qwen/Qwen3-0.6B", False),
        ("gpt-4.1-nano", "nano", False),
        ("meta-llama/Llama-3.3-70B-Instruct", "models/llama3.2-1b", True),
        ("my-own-judge", "somebody/else", False),
        ("o3-mini", "openai-community/gpt2", True),
        ("Nano", "nano", True),
    ],
)
def test_relatives_are_known_by_their_names(judge: str, contestant: str, related: bool) -> None:
    assert bool(same_family(judge, [contestant])) == related, (family_of(judge), family_of(contestant))
