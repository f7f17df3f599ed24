"""Conversations of several turns: whoever asks for answers asks for the same turns, and a row is one unit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.dialogues import dialogues
from whet import api
from whet.evaluation.contest import open_contest
from whet.evaluation.studies.interpolation import _Reader
from whet.methods import method_of
from whet.observer import Silent
from whet.store.reading import read_lines
from whet.store.run import Run
from whet.training.session import open_session

SHORT: dict[str, Any] = {"steps": 2, "evaluate.forgetting": False, "split.test": 12, "split.validation": 10}
SHORT |= {"split.near_duplicates": False, "evaluate.against": "[base]", "evaluate.max_new_tokens": 12, "keep": False}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dialogues")
    (folder / "talk.jsonl").write_text("".join(json.dumps(row) + "\n" for row in dialogues(60)), "utf-8")
    return folder


@pytest.fixture(scope="module")
def tuned(root: Path) -> dict[str, Any]:
    return api.tune(str(root / "talk.jsonl"), run_root=root / "runs", name="talk", **SHORT)


def test_compare_scores_both_models_as_the_verdict_does(root: Path, tuned: dict[str, Any]) -> None:
    known = len(read_lines(root / "runs" / "talk" / "asked.jsonl"))
    arms = {"compare.arms": "[zero-shot, tuned, few-shot]", "compare.shots": 1}
    found = api.compare(str(root / "talk.jsonl"), run_root=root / "runs", name="talk", **SHORT, **arms)
    scores = {arm["name"]: arm["score"] for arm in found["arms"]}
    assert scores["zero-shot"] == tuned["base"]["score"] and scores["tuned"] == tuned["tuned"]["score"]
    assert found["turns"]["turns"] > found["turns"]["rows"] == found["arms"][0]["rows"] == 12
    lines = read_lines(root / "runs" / "talk" / "compare" / "side_by_side.jsonl")
    assert len(lines) == 12 and all(line["reference"].endswith("!") for line in lines), "the last turn is shown"
    asked = len(read_lines(root / "runs" / "talk" / "asked.jsonl")) - known
    assert asked == found["turns"]["asked"], "the examples' turns are new, all others were answered for the verdict"


def test_a_failure_is_an_answer_and_not_a_row(root: Path, tuned: dict[str, Any]) -> None:
    found = api.failures("talk", run_root=root / "runs")
    assert found["validation_rows"] == 10 and found["answers"] > 15
    told = [row["reference"] for one in found["kinds"] for row in one["rows"]]
    assert any("it is on its way" in reference for reference in told), "not the goodbyes alone"
    assert f"of {found['answers']} answers to 10 validation rows" in Path(found["list"]).read_text("utf-8")


def test_a_point_nearer_to_the_base_is_scored_by_all_turns(root: Path, tuned: dict[str, Any]) -> None:
    run = Run.open(root / "runs" / "talk")
    session = open_session(run.recipe, run, method_of, Silent())
    contest = open_contest(session, Silent())
    rows = contest.prepared.test_rows
    reader = _Reader(contest)
    assert reader.task(rows, "rouge-l") == pytest.approx(tuned["tuned"]["score"], abs=1e-9)
