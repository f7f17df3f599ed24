"""Bradley-Terry for two and Cohen's kappa, against statsmodels and closed forms."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from statsmodels.discrete.discrete_model import Logit
from statsmodels.stats.inter_rater import cohens_kappa as theirs

from whet.errors import DataError
from whet.evaluation.judges.language_model import judge_pairs, position_bias, questions_of
from whet.evaluation.judges.model_families import family_of, same_family
from whet.evaluation.judges.win_rate import win_rate
from whet.recipe.sections.judges import PairJudge
from whet.stats.agreement import cohens_kappa, format_agreement
from whet.stats.bradley_terry import fit_win_rate, format_win_rate
from whet.stats.paired import paired_difference
from whet.store.atomic import append_line


def test_the_interval_is_that_of_a_logistic_regression_with_an_intercept_only() -> None:
    outcomes = [1.0] * 31 + [0.0] * 14
    fit: Any = Logit(outcomes, np.ones(45)).fit(disp=0)
    found = fit_win_rate(outcomes)
    assert found["strength"] == pytest.approx(float(fit.params[0])) == pytest.approx(math.log(31 / 14))
    assert (found["low"], found["high"]) == pytest.approx(tuple(expit(fit.conf_int()[0])), abs=1e-6)


def test_several_judgements_of_a_row_are_one_cluster() -> None:
    random = np.random.default_rng(0)
    rows = np.repeat(np.arange(25), 3)
    outcomes = (random.random(75) < np.repeat(random.beta(2, 1, 25), 3)).astype(float)
    keywords = {"groups": rows, "use_correction": False}
    fit: Any = Logit(outcomes, np.ones(75)).fit(disp=0, cov_type="cluster", cov_kwds=keywords)
    found = fit_win_rate(outcomes.tolist(), rows.tolist())
    assert (found["low"], found["high"]) == pytest.approx(tuple(expit(fit.conf_int()[0])), abs=1e-6)
    assert found["judged"] == 25


def test_the_interval_covers() -> None:
    random = np.random.default_rng(1)
    for shares, rows in (((0.5, 0.2, 0.3), 40), ((0.3, 0.4, 0.3), 60), ((0.7, 0.0, 0.3), 100)):
        truth = shares[0] + shares[1] / 2
        draws = [fit_win_rate(random.choice([1.0, 0.5, 0.0], rows, p=shares).tolist()) for _ in range(2000)]
        inside = np.mean([one["low"] <= truth <= one["high"] for one in draws])
        assert 0.935 < inside < 0.97  # outcomes come in steps, so it is not 0.95 everywhere


@pytest.mark.parametrize("outcomes", [[1.0] * 8, [0.0] * 8, [0.5] * 8, [1.0]])
def test_agreement_of_all_is_not_certainty(outcomes: list[float]) -> None:
    found = fit_win_rate(outcomes)
    assert 0 < found["low"] < found["high"] < 1 and math.isfinite(found["strength"])
    assert found["low"] <= found["rate"] or found["rate"] == 0.0


def test_nothing_judged_is_said() -> None:
    assert fit_win_rate([])["rate"] is None and "Nothing" in format_win_rate(fit_win_rate([]), "people")


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
    assert found["kappa"] is None and "kappa says nothing" in format_agreement(found, "people")
    assert cohens_kappa([], [])["rows"] == 0 and format_agreement(cohens_kappa([], []), "people") == ""
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


def test_groups_are_what_kappa_is_sure_of() -> None:
    """Each item asked four times says nothing new: the interval is that of the items, not of the answers."""
    random = np.random.default_rng(2)
    first = random.choice(["a", "b"], 40)
    second = np.where(random.random(40) < 0.7, first, "a")
    once = cohens_kappa(first.tolist(), second.tolist())
    one, other = (np.repeat(given, 4).tolist() for given in (first, second))
    often = cohens_kappa(one, other, np.repeat(np.arange(40), 4).tolist())
    assert often["kappa"] == pytest.approx(once["kappa"])
    t = math.sqrt(40 / 39) * stats.t.ppf(0.975, 39) / stats.norm.ppf(0.975)
    assert often["high"] - often["kappa"] == pytest.approx(t * (once["high"] - once["kappa"]))
    assert cohens_kappa(["a", "b"], ["a", "b"], ["x", "x"])["low"] == -1


def copied(outcomes: list[float]) -> tuple[list[float], list[str]]:
    """Each outcome eight times, and the conversation that it comes from."""
    return [one for one in outcomes for _ in range(8)], [f"talk {n}" for n in range(len(outcomes)) for _ in range(8)]


def by_score(outcomes: list[float], rows: None, clusters: list[str] | None) -> dict[str, Any]:
    return win_rate([0.5] * len(outcomes), outcomes, "a rule", 0, clusters)


@pytest.mark.parametrize("rate", [fit_win_rate, by_score])
def test_eight_turns_of_one_conversation_are_one_vote(rate: Any) -> None:
    few = [1.0, 1.0, 0.0, 1.0, 0.5, 0.0] * 4
    outcomes, talks = copied(few)
    found, alone = rate(outcomes, None, talks), rate(outcomes, None, None)
    truth = paired_difference([0.5] * 24, few)
    assert found["rate"] == pytest.approx(3.5 / 6) and alone["p"] < 0.05 < found["p"]
    assert (found["low"], found["high"]) == pytest.approx((0.5 + truth.low, 0.5 + truth.high))


def test_a_judge_of_conversations_knows_fewer_things(tmp_path: Path) -> None:
    letters = [["A", "A"]] * 12 + [["A", "B"]] * 12
    talks = [f"talk {n // 6}" for n in range(24)]
    one, other = position_bias(letters), position_bias(letters, talks)
    assert one["p"] < 0.05 < other["p"] and one["consistent"] == other["consistent"] == 12
    assert other["high"] - other["low"] > one["high"] - one["low"]
    lines: list[dict[str, Any]] = [
        {"row": n, "prompt": "Say it.", "base": f"b{n}", "tuned": f"t{n}", "group": talk}
        for n, talk in enumerate(talks)
    ]
    wanted = PairJudge(url="http://localhost:1/v1", model="judge", rubric="short")
    for question in (question for n, line in enumerate(lines) for question in questions_of(n, line, wanted)):
        letter = "B" if question.order[0] == "base" else "A"
        append_line(tmp_path / "pairs.jsonl", json.dumps({"key": question.key, "verdict": letter}))
    facts, _ = judge_pairs(lines, wanted, tmp_path / "pairs.jsonl", [], lambda done, total: None)
    assert facts["rate"] == 1.0 and facts["p"] == paired_difference([0.0] * 24, [1.0] * 24, clusters=talks).p
