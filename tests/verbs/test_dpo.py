"""A file of preference pairs goes from a path to a paired verdict with nothing else said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import whet
from whet import api
from whet.errors import RecipeError
from whet.evaluation.metrics.preference_accuracy import (
    PairLogprobs,
    degeneration_warning,
    preference_score,
    reward_gains,
)
from whet.observer import Silent
from whet.recipe.load import load_recipe
from whet.store import model_registry
from whet.store.run import Run
from whet.verbs.steps import stages


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dpo") / "pairs.jsonl"
    rows = [
        {
            "prompt": f"How do I cancel order {n * 37 % 1000}?",
            "chosen": f"Gladly. Please open order {n * 37 % 1000} and press cancel. Thank you.",
            "rejected": f"Open order {n * 37 % 1000} and press cancel. Do not ask again.",
        }
        for n in range(120)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Listener(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def result(pairs: Path, tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("runs")
    settings: dict[str, Any] = {"steps": 100, "split.near_duplicates": "false", "evaluate.forgetting": "false"}
    return whet.tune(str(pairs), run_root=root, observer=listener, **settings)


def test_the_verdict_is_paired_and_says_better(result: dict[str, Any]) -> None:
    assert result["method"] == "dpo (lora)"
    assert result["metric"]["name"] == "preference-accuracy"
    against = {one["name"]: one for one in result["verdict"]["against"]}
    assert against["base"]["word"] == "better", result["verdict"]["sentence"]
    assert "longer" in against["constant"]["label"] and against["constant"]["score"] == 1.0
    assert result["verdict"]["word"] != "better" and result["verdict"]["strongest"] == "constant"
    assert result["difference"]["test"] == "McNemar's mid-p"
    assert result["tuned"]["score"] > result["base"]["score"]
    assert result["tuned"]["reward_accuracy"] == 1.0
    assert result["tuned"]["chosen_gain"] > result["tuned"]["rejected_gain"]
    assert "reward_accuracy" not in result["base"]
    assert Path(result["report"]).is_file()


def test_what_is_wrong_with_the_pairs_is_told_before_the_training(result: dict[str, Any], listener: Listener) -> None:
    told = [number for number, note in enumerate(listener.notes) if "length alone tells them apart" in note]
    begun = next(number for number, note in enumerate(listener.notes) if note.startswith("self-check"))
    assert len(told) == 1 and told[0] < begun
    assert "100% of 120 pairs" in listener.notes[told[0]] and "--explain length-bias" in listener.notes[told[0]]


def test_both_answers_are_shown(pairs: Path, tmp_path: Path) -> None:
    view = api.prepare_view(str(pairs), rows=2, run_root=tmp_path)
    assert [row["answer"] for row in view["rows"]] == ["chosen", "rejected"] * 2
    for row, words in zip(view["rows"], ("Gladly", "Open order"), strict=False):
        learned = "".join(text for text, supervised in row["pieces"] if supervised)
        assert learned.startswith(words)
        assert "cancel order" in row["pieces"][0][0]


@pytest.mark.parametrize(("metric", "method"), [("rouge-l", "auto"), ("nll", "dpo")])
def test_another_metric_is_refused_before_the_training(pairs: Path, tmp_path: Path, metric: str, method: str) -> None:
    with pytest.raises(RecipeError, match="probability of their answers"):
        whet.tune(str(pairs), run_root=tmp_path, **{"evaluate.metric": metric, "method": method})


def test_the_likelier_answer_is_likelier_token_for_token() -> None:
    assert preference_score(PairLogprobs(-10.0, -6.0, 10, 5)).value == 1.0, (
        "longer, less likely as a whole, likelier a token"
    )
    assert preference_score(PairLogprobs(-10.0, -6.0, 10, 10)).value == 0.0
    assert preference_score(PairLogprobs(-3.0, -6.0, 1, 2)).value == 0.5


def test_a_verdict_says_when_the_chosen_answers_were_lost_too() -> None:
    base = {1: PairLogprobs(-10, -10, 10, 10), 2: PairLogprobs(-5, -5, 5, 5)}
    lost = {1: PairLogprobs(-20, -90, 10, 10), 2: PairLogprobs(-9, -90, 5, 5)}
    assert (
        degeneration_warning(base, base) == ""
        and degeneration_warning(base, {1: PairLogprobs(-13, -90, 10, 10), 2: base[2]}) == ""
    )
    assert "less likely too, by 0.9 nats a token" in degeneration_warning(base, lost)


@pytest.mark.parametrize("caution", ["", "the model may write neither"])
def test_a_model_with_a_warning_is_not_to_be_made_live(tmp_path: Path, caution: str) -> None:
    recipe = load_recipe({"data": "pairs.jsonl"})
    facts = {"metric": {"name": "preference-accuracy"}, "verdict": {"word": "better"}}
    notes = Listener()
    facts |= {"caution": caution} if caution else {}
    stages.register(Run.create(tmp_path, recipe, "pairs"), facts, tmp_path, notes)
    (model,) = model_registry.list_models(tmp_path)
    assert model.current is None and model.versions[0].stage == "candidate"
    assert ("would need --force" in notes.notes[0]) == bool(caution), notes.notes
    assert ("to make it live: whet export pairs@1" in notes.notes[0]) != bool(caution), notes.notes


def test_what_dpo_trains_is_how_far_the_answers_moved_apart() -> None:
    base = {1: PairLogprobs(-10, -5, 5, 5), 2: PairLogprobs(-4, -4, 2, 2)}
    tuned = {1: PairLogprobs(-9, -6, 5, 5), 2: PairLogprobs(-6, -5, 2, 2)}
    assert reward_gains(base, tuned) == {"reward_accuracy": 0.5, "chosen_gain": -0.5, "rejected_gain": -1.0}
