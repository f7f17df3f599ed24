"""A tune from data to a verdict over all opponents, on the bundled base: what a constant explains is no gain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.opponents.made_up_messages import messages, write
from whet import api
from whet.store.reading import read_lines

SHORT = {"steps": 30, "evaluate.forgetting": False, "split.test": 40, "split.validation": 20}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("skewed")
    data = write(folder / "messages.jsonl", messages(240, shuffled=True))
    return folder, api.tune(str(data), run_root=folder / "runs", name="skewed", **SHORT)


def test_a_skewed_label_that_texts_do_not_tell_is_no_gain(tuned: tuple[Path, dict[str, Any]]) -> None:
    verdict = tuned[1]["verdict"]
    against = {one["name"]: one for one in verdict["against"]}
    assert list(against) == ["base", "constant", "prompted", "examples"] and not verdict["not_asked"]
    assert verdict["word"] != "better" and verdict["strongest"] == "constant"
    assert against["constant"]["label"] == 'always answering "ham"' in verdict["sentence"]
    assert against["constant"]["score"] > 0.7 and tuned[1]["ship"]["answer"] != "yes"
    assert 'always answering "ham"' in tuned[1]["ship"]["sentence"]


def test_the_answers_of_opponents_stand_beside_those_of_both_models(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    lines = read_lines(folder / "runs" / "skewed" / "answers.jsonl")
    assert all({"constant", "prompted", "examples"} == set(line["opponents"]) for line in lines)
    for one in result["verdict"]["against"][1:]:
        values = [line["opponents"][one["name"]]["score"] for line in lines]
        assert sum(values) / len(values) == pytest.approx(one["score"]) and one["rows"] == len(lines)


def test_a_second_evaluation_and_a_comparison_ask_nothing_again(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    asked = folder / "runs" / "skewed" / "asked.jsonl"
    before = asked.read_bytes()
    again = api.evaluate("skewed", run_root=folder / "runs", anew=True)
    assert again["verdict"] == result["verdict"] and asked.read_bytes() == before
    arms = {"compare.arms": "[constant, zero-shot, prompted, few-shot-nearest, tuned]"}
    found = api.compare(str(folder / "messages.jsonl"), run="skewed", run_root=folder / "runs", **arms)
    assert asked.read_bytes() == before
    scores = {arm["name"]: arm["score"] for arm in found["arms"]}
    held = {one["name"]: one["score"] for one in result["verdict"]["against"]}
    assert scores == {
        "constant": held["constant"], "zero-shot": held["base"], "prompted": held["prompted"],
        "few-shot-nearest": held["examples"], "tuned": result["tuned"]["score"],
    }  # fmt: skip
    assert "ine-tune" not in found["verdict"]["headline"] and "fine-tune" not in found["verdict"]["sentence"]


def test_an_opponent_that_is_not_asked_for_is_not_asked(tmp_path: Path) -> None:
    data = write(tmp_path / "same.jsonl", [row | {"completion": "ok"} for row in messages(120)])
    chosen = {"evaluate.against": "[base]", "steps": 6, "split.test": 30, "split.validation": 10}
    found = api.tune(str(data), run_root=tmp_path / "runs", **(SHORT | chosen))
    assert [one["name"] for one in found["verdict"]["against"]] == ["base", "constant"]
    constant = found["verdict"]["against"][1]
    assert constant["score"] == 1.0 and constant["label"] == 'always answering "ok"'
    assert found["verdict"]["word"] != "better"  # constant data
    json.dumps(found)
