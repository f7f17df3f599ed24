"""Rows of one group are one draw, wherever an interval is made: 20 conversations of 10 turns are 20, not 200."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from tests.evaluation.made_up_contest import made_up_contest
from whet.evaluation import contest
from whet.evaluation.forgetting import measure_forgetting as cost
from whet.evaluation.forgetting.measure_kinds import kl_measure
from whet.evaluation.forgetting.suites import read_suite
from whet.evaluation.judges import people
from whet.evaluation.metrics.scoring import RowScore, aggregate
from whet.evaluation.retrieval.grounding import grounding
from whet.evaluation.studies.learning_curve import forecast
from whet.recipe.schema import Columns, Recipe
from whet.stats.paired import clusters_of, mean_interval
from whet.types import Row

TALKS = [f"talk {n // 10}" for n in range(200)]
RIGHT = np.repeat(np.random.default_rng(0).random(20) < 0.6, 10).astype(float)
PER_TALK = mean_interval(RIGHT[::10] * 0.999)  # not 0/1, so that both come from the same bootstrap


def width(found: dict[str, Any]) -> float:
    return found["high"] - found["low"]


def rows(grouped: bool) -> list[Row]:
    return [Row(n, f"row {n}", group=talk if grouped else None) for n, talk in enumerate(TALKS)]


@pytest.mark.parametrize("name", ["exact-match", "file.py:own"])
def test_the_score_of_a_side(name: str) -> None:
    scores = [RowScore(value) for value in RIGHT.tolist()]
    alone, grouped = (aggregate(name, scores, rows(one)) for one in (False, True))
    assert grouped["score"] == alone["score"]
    assert (grouped["low"], grouped["high"]) == pytest.approx(PER_TALK, abs=2e-3)
    assert width(grouped) > 2 * width(alone)


def test_support_by_passages() -> None:
    answers = ["blue" if value else "unanswerable" for value in RIGHT]
    alone, grouped = (
        grounding(answers, [["The sky is blue."]] * 200, holds=[True] * 200, clusters=clusters_of(rows(one)))
        for one in (False, True)
    )
    assert width(grouped["refusal_where_present"]) > 2 * width(alone["refusal_where_present"])
    assert grouped["supported"]["rows"] == alone["supported"]["rows"] == RIGHT.sum()


def test_the_points_of_a_learning_curve() -> None:
    sizes, scores = [40, 80, 160], [RIGHT * 0.9, RIGHT * 0.95, RIGHT]
    alone, grouped = (forecast(sizes, [one.tolist() for one in scores], clusters) for clusters in (None, TALKS))
    assert width(grouped["points"][-1]) > 2 * width(alone["points"][-1])


def test_the_distance_from_the_base() -> None:
    found = [(3.0 * value, 10) for value in RIGHT]
    alone, grouped = (kl_measure("task", found, 0.5, clusters=clusters) for clusters in (None, TALKS))
    assert grouped.loss == alone.loss and grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert grouped.high == pytest.approx(0.3 * PER_TALK[1], abs=2e-3)


def test_a_suite_that_has_the_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{"prompt": f"Say {n}.", "completion": "yes" if n % 2 else "no", "talk": t} for n, t in enumerate(TALKS)]
    path = tmp_path / "suite.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    suite = read_suite(str(path), "talk")
    assert clusters_of(suite.rows) == TALKS and clusters_of(read_suite(str(path), "other").rows) is None

    class Says:
        def __init__(self, text: str) -> None:
            self.text = text

    def answers(side: Any, origin: Any, prompts: list[Any], *rest: Any) -> list[Says]:
        right = [row.reference for row in suite.rows]
        return [Says(text if side.name == "base" or hit else "?") for text, hit in zip(right, RIGHT, strict=True)]

    monkeypatch.setattr(contest, "generate_answers", answers)
    monkeypatch.setattr(cost, "answer_tokens", lambda rows, origin: 4)
    renderer = cast(Any, type("Renderer", (), {"prompt_ids": staticmethod(lambda prompt, tools: [])}))
    recipe = Recipe(data="x", columns=Columns(group="talk"))
    found = cost._suite(made_up_contest(recipe, suite.rows, renderer), suite, 0, 2 * len(suite.rows))
    assert found.loss == pytest.approx(1 - RIGHT.mean()) and "by clusters" in found.details["test"]


def test_people_who_judged_turns_of_conversations(tmp_path: Path) -> None:
    for grouped in (False, True):
        folder = tmp_path / str(grouped)
        folder.mkdir()
        answers = [
            {"row": n, "where": f"row {n}", "prompt": "Say it.", "base": f"b{n}", "tuned": f"t{n}"}
            | ({"group": talk} if grouped else {})
            for n, talk in enumerate(TALKS)
        ]
        (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in answers))
        sitting = people.start_session(folder, "ann")
        for pair in sitting.waiting:
            won = "tuned" if RIGHT[pair.row] else "base"
            sitting.keep(pair, "left" if pair.left == won else "right")
    alone, grouped = (people.result(tmp_path / name) for name in ("False", "True"))
    assert grouped["rate"] == alone["rate"] == RIGHT.mean()
    assert width(grouped) > 2 * width(alone)
