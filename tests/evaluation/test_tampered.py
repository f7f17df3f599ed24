"""Answers that tampered with their tests stand in the verdict, the report and the result of a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.evaluation.made_up_contest import made_up_contest
from whet.evaluation import contest as contests
from whet.evaluation import decision
from whet.evaluation.methods.rewarded import measure_rewarded
from whet.recipe.schema import Recipe
from whet.reports.sections.first.decision import effort
from whet.rewards.combine import Component, Rewards, Scores
from whet.text.wording import format_effort
from whet.types import Completion, Row

ROWS = [Row(n, f"a:{n}", [{"role": "user", "content": "q"}]) for n in range(60)]


class Given(Rewards):
    """All answers of the base are worth nothing, all of the tuned model one; `tampered` of the latter are forged."""

    tampered = 0

    def __call__(self, prompts: Any, answers: Any, rows: Any) -> Scores:
        values = [float(answer == "tuned") for answer in answers]
        return Scores(values, {"tests": values}, tampered=self.tampered if answers[0] == "tuned" else 0)


def measured(monkeypatch: pytest.MonkeyPatch, tampered: int) -> dict[str, Any]:
    monkeypatch.setattr(contests, "generate_answers", lambda side, *_: [Completion(side.name, True, [1]) for _ in ROWS])
    monkeypatch.setattr(Given, "tampered", tampered)
    rewards = Given([Component("tests", 1.0, lambda prompts, answers, rows: [])])
    renderer = SimpleNamespace(prompt_ids=lambda *_: [1])
    recipe = Recipe.model_validate({"data": "a", "method": {"kind": "grpo", "rewards": ["tests"]}})
    facts, _ = measure_rewarded(made_up_contest(recipe, ROWS, renderer), rewards)
    return facts


def test_a_tuned_model_that_tampers_is_not_put_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, forged = measured(monkeypatch, 0), measured(monkeypatch, 3)
    assert "tampered" not in honest["tuned"] and decision.decide(honest)["answer"] == "yes"
    assert forged["tuned"]["tampered"] == 3 and "tampered" not in forged["base"]
    assert "3 of its answers tampered with the tests" in forged["verdict"]["sentence"]
    assert decision.decide(forged)["answer"] == "not yet"


def test_what_was_counted_in_training_is_told_in_the_terminal_and_the_report() -> None:
    facts = {"seconds": 3.0, "tampered": 12}
    assert "12 answers tampered with the tests" in effort(facts) and "12 answers tampered" in format_effort(facts)
    assert "tampered" not in effort({"seconds": 3.0}) + format_effort({"seconds": 3.0})
