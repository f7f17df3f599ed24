"""distil from prompts to a verdict beside the teacher; a run as the teacher; what cannot teach."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import whet
from whet.demo_data.support_desk import generate
from whet.errors import ModelError, RunFolderError
from whet.store.run import Run

QUICK: dict[str, Any] = {"evaluate.forgetting": "false", "dtype": "float32", "split.near_duplicates": "false"}


@pytest.fixture(scope="module")
def root(copy_of_run: Callable[[str], Path]) -> Path:
    """Prompts, and a run named sft, which teaches."""
    folder = copy_of_run("sft").parent
    rows = generate(120, seed=0)
    (folder / "desk.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": row["prompt"]}) + "\n" for row in rows))
    return folder


def distilled(root: Path, data: str, name: str, verb: Any = whet.tune, **settings: Any) -> dict[str, Any]:
    method = "{kind: distil, teacher: sft, max_new_tokens: 40, prompts: 8}"
    chosen = QUICK | {"method": method, "steps": 6, "split.max_test": 10, "split.max_validation": 6} | settings
    return verb(str(root / data), run_root=root, name=name, **chosen)


def test_prompts_alone_are_compared_with_the_teachers_answers(root: Path) -> None:
    result = distilled(root, "prompts.jsonl", "student", **{"evaluate.early_stop": "false"})
    found = result["distil"]
    assert result["method"] == "distil (lora)" and found["references"] == "the teacher's greedy answers"
    assert found["teacher"]["score"] == 1.0
    assert found["divergence"]["tuned"] < 0.97 * found["divergence"]["base"], found["divergence"]
    assert "Beside the teacher" in Path(result["report"]).read_text("utf-8")
    metrics = [json.loads(line) for line in (root / "student" / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in metrics if "answer_tokens" in line]
    assert len(steps) == 6 and all(line["rollout_seconds"] > 0 for line in steps)
    losses = [line["validation_loss"] for line in metrics if "validation_loss" in line]
    assert min(losses) < losses[0]


def test_rows_with_answers_are_compared_with_those(root: Path) -> None:
    result = distilled(root, "desk.jsonl", "student-of-rows", steps=1, **{"evaluate.against": ["base"]})
    assert result["distil"]["references"] == "the rows' own answers" and result["distil"]["teacher"]["score"] < 1
    assert result["metric"]["name"] == "json"


def test_a_teacher_that_changed_ends_the_run(root: Path) -> None:
    distilled(root, "prompts.jsonl", "held", whet.train, steps=1)
    run = Run.open("held", root)
    run.write_json("teacher.json", run.read_json("teacher.json") | {"identity": "another"})
    with pytest.raises(RunFolderError, match="other weights"):
        whet.api.evaluate("held", run_root=root)


def test_a_teacher_that_is_not_there_is_told_in_one_line(root: Path) -> None:
    with pytest.raises(ModelError, match="no such teacher"):
        distilled(root, "prompts.jsonl", "lost", method="{kind: distil, teacher: nobody}")
