"""What a tune says of content and form, of all turns, of classes and of pairs, on the bundled base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import whet
from tests.evaluation.dialogues import dialogues

SHORT: dict[str, Any] = {"evaluate.forgetting": "false", "split.near_duplicates": "false"}


def tune(
    folder: Path, rows: list[dict[str, Any]], steps: int, **more: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = whet.tune(str(data), run_root=folder / "runs", steps=steps, **SHORT, **more)
    lines = (folder / "runs" / result["run"] / "answers.jsonl").read_text().splitlines()
    return result, [json.loads(line) for line in lines]


@pytest.mark.slow
def test_dialogues_are_measured_on_all_turns_not_on_their_goodbyes(tmp_path: Path) -> None:
    result, lines = tune(tmp_path, dialogues(200), steps=40)
    assert result["metric"]["name"] == "rouge-l"
    assert result["turns"]["turns"] > len(lines) == result["turns"]["rows"]
    assert result["verdict"]["word"] == "better" and result["verdict"]["content"] is None
    assert result["loss"]["word"] == "better" and result["loss"]["difference_interval"][1] < 0
    assert "The loss went from" in result["verdict"]["sentence"]
    for line in lines:
        asked = line["turns"]
        assert len(asked) == len(line["prompt"]) // 2 + 1 and asked[-1]["tuned"] == line["tuned"]
        assert line["tuned_score"] == pytest.approx(sum(turn["tuned_score"] for turn in asked) / len(asked))


@pytest.mark.slow
def test_skewed_labels_name_the_lost_class(tmp_path: Path) -> None:
    """Labels that the texts do not tell: the tune learns to say the most common one."""
    rows = [{"text": f"message number {n * 7919 % 1000}", "label": "spam" if n % 7 == 0 else "ham"} for n in range(300)]
    result, lines = tune(tmp_path, rows, steps=30, **{"split.test": 0.3})
    lost = {entry["label"]: entry for entry in result["lost_classes"]}
    assert "spam" in lost and lost["spam"]["recall_interval"][1] < 0.5
    assert "classes are lost" in result["verdict"]["sentence"]
    assert result["tuned"]["balanced_accuracy"] == pytest.approx(0.5, abs=0.1)
    assert result["tuned"]["score"] > result["tuned"]["balanced_accuracy"] + 0.1
    assert result["tuned"]["confusion"]["classes"] == ["ham", "spam", "(other)"]
    assert {"base_content", "tuned_content", "base_form", "tuned_form"} <= lines[0].keys()
    assert result["tuned"]["in_form"] == 1.0 and result["base"]["cut"] >= 0
    assert result["verdict"]["form"]["word"] == "better"


@pytest.mark.slow
def test_pairs_show_a_few_answers_and_their_length_controlled_rate(tmp_path: Path) -> None:
    pairs = [
        {
            "prompt": f"Please cancel order {n}.",
            "chosen": "Gladly, it is done." + " Anything else?" * (n % 3),
            "rejected": f"No, order {n} stays open." + " Ask again." * (n % 4),
        }
        for n in range(200)
    ]
    result, lines = tune(tmp_path, pairs, steps=30, **{"split.test": 0.3})
    shown = [line for line in lines if line.get("shown")]
    assert [line["row"] for line in shown] == result["shown_answers"]["rows"] and len(shown) == 8
    assert all(line["tuned"] for line in shown) and not any(line["tuned"] for line in lines if "shown" not in line)
    low, high = result["tuned"]["reward_accuracy_interval"]
    assert low <= result["tuned"]["reward_accuracy"] <= high
    assert result["tuned"]["reward_margin_interval"][0] > 0
    assert "length_controlled" in result["base"] and "length_controlled" in result["tuned"]
    steps = (tmp_path / "runs" / result["run"] / "metrics.jsonl").read_text()
    assert '"reward_chosen"' in steps and '"reward_rejected"' in steps
