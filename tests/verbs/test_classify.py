"""Labelled texts become a classifier that plain transformers loads: one class a row, several, or a number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import whet
from bench.shown.moderation import write_comments
from whet import api
from whet.errors import DataError, ProofError, RecipeError
from whet.store.checksums import seal
from whet.store.run import Run

QUICK: dict[str, Any] = {"dtype": "float32", "split.near_duplicates": "false", "split.test": 0.25}


def tune(path: Path, root: Path, **settings: Any) -> tuple[dict[str, Any], Run]:
    result = whet.tune(str(path), run_root=root, **(QUICK | settings))
    return result, Run.open(root / str(result["run"]))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def comments(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Run]:
    """Several classes a row."""
    folder = tmp_path_factory.mktemp("comments")
    data = write_comments(folder / "comments.jsonl", 400, seed=0)
    return tune(data, folder / "runs", method="{kind: classify, task: multi-label}", steps=40, epochs=4)


@pytest.fixture(scope="module")
def teams(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Run]:
    """One class a row, of three."""
    folder = tmp_path_factory.mktemp("teams")
    said = {"billing": "I want my money back for", "shipping": "Where is the parcel with", "repair": "It broke, my"}
    rows = [
        {"text": f"{said[team]} {thing} {n}.", "label": team}
        for n in range(60)
        for team in said
        for thing in ("lamp", "kettle")[n % 2 : n % 2 + 1]
    ]
    method = "{kind: classify, class_weights: balanced}"
    return tune(write(folder / "teams.jsonl", rows), folder / "runs", method=method, steps=30)


def test_one_class_a_row_beats_what_the_base_can_do(teams: tuple[dict[str, Any], Run]) -> None:
    result, _ = teams
    assert result["method"] == "classify (lora)" and result["metric"]["name"] == "accuracy"
    assert result["verdict"]["word"] == "better", result["verdict"]["sentence"]
    assert result["base"]["kind"] in ("majority", "likelihood") and result["base"]["score"] >= 1 / 3 - 0.02
    assert result["tuned"]["macro_f1"] > 0.95 and set(result["tuned"]["labels"]) == {"billing", "repair", "shipping"}
    assert "thresholds" not in result, "of three classes the likeliest is named"


def test_plain_transformers_names_the_same_classes(teams: tuple[dict[str, Any], Run]) -> None:
    _, run = teams
    name = pipeline("text-classification", model=str(run.model))
    lines = [json.loads(line) for line in (run.folder / "answers.jsonl").read_text().splitlines()]
    said: Any = name([line["prompt"][0]["content"] for line in lines])
    assert [one["label"] for one in said] == [line["tuned"] for line in lines]
    model = AutoModelForSequenceClassification.from_pretrained(run.model)
    assert model.config.id2label == {0: "billing", 1: "repair", 2: "shipping"}
    assert model.config.problem_type == "single_label_classification"


def test_a_batch_of_texts_of_other_lengths_gives_the_scores_of_each_alone(teams: tuple[dict[str, Any], Run]) -> None:
    _, run = teams
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    model = AutoModelForSequenceClassification.from_pretrained(run.model).eval()
    texts = ["Where is the parcel with lamp 3.", "It broke", "I want my money back for the second kettle 17, please."]
    with torch.no_grad():
        together = model(**tokenizer(texts, return_tensors="pt", padding=True)).logits
        alone = torch.cat([model(**tokenizer(text, return_tensors="pt")).logits for text in texts])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_several_classes_a_row_have_thresholds_from_validation_rows_alone(comments: tuple[dict[str, Any], Run]) -> None:
    result, run = comments
    found = result["thresholds"]
    assert result["metric"]["name"] == "label-f1" and result["base"]["kind"] == "majority"
    assert found["chosen_on"]["part"] == "validation" and found["rows_shared_with_test"] == 0
    assert found["chosen_on"]["rows"] == result["ledger"]["held_out"]["validation"]
    for entry in found["classes"]:
        assert entry["validation_f1"] >= entry["validation_f1_at_half"] and 0 < entry["threshold"] < 1
    stored = json.loads((run.model / "whet.json").read_text())["head"]["thresholds"]
    assert stored == [entry["threshold"] for entry in found["classes"]]
    page = (run.folder / "report.html").read_text()
    assert "From which probability a class is named" in page and "Rows that are in both parts: 0" in page


def test_thresholds_of_other_rows_are_refused(comments: tuple[dict[str, Any], Run], tmp_path: Path) -> None:
    _, run = comments
    path = run.model / "whet.json"
    kept = path.read_text()
    facts = json.loads(kept)
    facts["head"]["chosen_on"]["sha256"] = "0" * 64
    path.write_text(json.dumps(facts))
    seal(run.model)
    try:
        with pytest.raises(ProofError, match="not chosen on the validation rows"):
            api.evaluate(run)
    finally:
        path.write_text(kept)
        seal(run.model)


def test_plain_transformers_gives_the_probabilities_of_several_classes(comments: tuple[dict[str, Any], Run]) -> None:
    result, run = comments
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    model = AutoModelForSequenceClassification.from_pretrained(run.model).eval()
    lines = [json.loads(line) for line in (run.folder / "answers.jsonl").read_text().splitlines()]
    with torch.no_grad():
        batch = tokenizer([line["prompt"][0]["content"] for line in lines], return_tensors="pt", padding=True)
        probability = model(**batch).logits.sigmoid().numpy()
    cut = np.array([entry["threshold"] for entry in result["thresholds"]["classes"]])
    named = [", ".join(model.config.id2label[k] for k in np.flatnonzero(row >= cut)) for row in probability]
    assert named == [line["tuned"] for line in lines]


def test_a_number_is_learned_in_its_own_units(tmp_path: Path) -> None:
    words = ("none", "few", "some", "many", "most")
    rows = [{"text": f"There were {words[n % 5]} left, {n}.", "label": 100.0 * (n % 5)} for n in range(150)]
    result, run = tune(
        write(tmp_path / "n.jsonl", rows), tmp_path / "runs", method="{kind: classify, task: regression}", steps=90
    )
    assert result["metric"]["name"] == "closeness" and result["base"]["kind"] == "median"
    assert result["tuned"]["mae"] < result["base"]["mae"] / 3
    assert result["verdict"]["word"] == "better" and result["tuned"]["r_squared"] > 0.8
    config = json.loads((run.model / "config.json").read_text())
    model = AutoModelForSequenceClassification.from_pretrained(run.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    with torch.no_grad():
        score = model(**tokenizer("There were most left, 4.", return_tensors="pt")).logits.item()
    assert score * config["regression_spread"] + config["regression_mean"] == pytest.approx(400, abs=80)


def test_two_classes_have_one_cut(tmp_path: Path) -> None:
    rows = [{"text": f"{('fine', 'awful')[n % 4 == 0]} thing {n}", "label": int(n % 4 == 0)} for n in range(160)]
    result, run = tune(write(tmp_path / "two.jsonl", rows), tmp_path / "runs", method="classify", steps=20)
    cuts = [entry["threshold"] for entry in result["thresholds"]["classes"]]
    assert sum(cuts) == pytest.approx(1.0) and result["tuned"]["score"] == 1.0


@pytest.mark.parametrize(
    ("labels", "method", "words"),
    [
        (["a"] * 40, "classify", "1 class"),
        ([f"c{n}" for n in range(40)], "classify", "too few rows of each"),
        ([1.5] * 40, "{kind: classify, task: regression}", "the same number"),
    ],
)
def test_rows_without_anything_to_tell_apart_are_refused(
    labels: list[Any], method: str, words: str, tmp_path: Path
) -> None:
    rows = [{"text": f"Word {n * 37}", "label": label} for n, label in enumerate(labels)]
    with pytest.raises(DataError, match=words):
        tune(write(tmp_path / "rows.jsonl", rows), tmp_path / "runs", method=method)


def test_a_metric_of_words_is_refused(tmp_path: Path) -> None:
    rows = [{"text": f"Word {n * 37}", "label": n % 2} for n in range(40)]
    with pytest.raises(RecipeError, match="what it names"):
        tune(write(tmp_path / "r.jsonl", rows), tmp_path / "runs", method="classify", **{"evaluate.metric": "rouge-l"})
