"""What the page says of preference pairs and of a goal is what was measured, in words and with its interval."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.reports.made_up_run import write_json, write_run
from whet.evaluation.goal import measure_goal
from whet.evaluation.metrics.preference_accuracy import PairLogprobs, at_equal_length, reward_gains, reward_margins
from whet.recipe.sections.goal import Goal
from whet.reports.report import write_report
from whet.reports.sections.evidence.goal import goal_view
from whet.reports.sections.evidence.pairs import pairs_view
from whet.types import Row


def measured() -> dict[str, Any]:
    """40 pairs of 10 to 19 tokens; of three in four the chosen answer gains 2 nats, of the others it loses 1."""
    base = {row: PairLogprobs(-30.0, -30.0, 10 + row % 10, 12) for row in range(40)}
    tuned = {row: PairLogprobs(-28.0 if row % 4 else -31.0, -30.0, 10 + row % 10, 12) for row in range(40)}
    sides = [{"score": 0.5, "low": 0.35, "high": 0.65}, {"score": 0.7, "low": 0.55, "high": 0.82}]
    for side, pairs in zip(sides, (base, tuned), strict=True):
        side["length_controlled"] = at_equal_length(pairs)
    return {"base": sides[0], "tuned": sides[1] | reward_gains(base, tuned) | reward_margins(base, tuned, 0, None)}


def asked_for() -> dict[str, Any]:
    rows = [Row(index=n, where=f"rows.jsonl:{n + 1}", label="spam") for n in range(60)]
    goal = Goal(at_least=0.95, class_at_least={"spam": 0.5}, prompt_tokens=20)
    scores = [1.0] * 57 + [0.0] * 3
    return measure_goal(goal, {"score": 0.95, "low": 0.86, "high": 0.98}, "accuracy", scores, rows, [30] * 60)


def test_pairs_stand_with_their_intervals() -> None:
    sheet = pairs_view(measured())
    assert sheet is not None
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in sheet.rows}
    assert cells["preference-accuracy"] == ["50.0%", "70.0%", "55.0% to 82.0%"]
    assert cells["reward accuracy"][1] == "75.0%" and cells["margin"][1] == "+1.25"
    low, high = (float(end) for end in cells["margin"][2].split(" to "))
    assert 0.5 < low < 1.25 < high < 2.0
    assert "gained +1.25" in sheet.rows[-1][0].note and "+0.00" in sheet.rows[-1][0].note
    assert pairs_view({"base": {"score": 0.5}, "tuned": {"score": 0.5}}) is None


def test_each_part_of_a_goal_has_its_word() -> None:
    sheet = goal_view({"verdict": {"goal": asked_for()}})
    assert sheet is not None
    assert [row[1].text for row in sheet.rows] == ["undecided", "reached", "missed"]
    assert [row[2].text for row in sheet.rows] == ["at least 95.0%", "at least 50.0%", "at most 20"]
    assert sheet.rows[2][3].text == "30" and sheet.rows[1][5].text == "60"
    assert goal_view({"verdict": {"goal": None}}) is None and goal_view({}) is None


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_run(tmp_path_factory.mktemp("runs") / "pairs")
    return write_report(SimpleNamespace(folder=with_pairs_and_goal(folder))).read_text("utf-8")  # type: ignore[arg-type]


def with_pairs_and_goal(folder: Path) -> Path:
    """The run, as if it had compared pairs and had a goal."""
    path = folder / "evaluation.json"
    evaluation = json.loads(path.read_text("utf-8"))
    for side, facts in measured().items():
        evaluation[side] |= {key: value for key, value in facts.items() if key not in ("score", "low", "high")}
    evaluation["verdict"]["goal"] = asked_for()
    write_json(path, evaluation)
    return folder


def test_the_page_has_both_sections_and_lists_them(page: str) -> None:
    for anchor, title in (("pairs", "Pairs"), ("goal", "The goal")):
        assert f'<section id="{anchor}">' in page and f'href="#{anchor}"' in page and title in page
    assert "at least 95.0%" in page and "nats an answer" in page
