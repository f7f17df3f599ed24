"""A file of answers marked good or bad goes from a path to a paired verdict with nothing else said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import whet
from whet import api
from whet.errors import DataError, RecipeError


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kto") / "marked.jsonl"
    rows = []
    for n in range(240):
        order, good = n * 37 % 1000, n % 3 > 0
        words = f"Gladly. Open order {order}. Thank you." if good else f"Open order {order}. Do not ask again."
        rows.append({"prompt": f"How do I cancel order {order}?", "completion": words, "label": good})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_verdict_is_paired_and_says_better(marked: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 60, "split.near_duplicates": "false", "evaluate.forgetting": "false"}
    result = whet.tune(str(marked), run_root=tmp_path, **settings)
    assert result["method"] == "kto (lora)" and result["metric"]["name"] == "mark-accuracy"
    assert result["base"]["score"] == 0.5 < result["tuned"]["score"]
    assert result["verdict"]["word"] == "better", result["verdict"]["sentence"]
    assert result["tuned"]["good_gain"] > result["tuned"]["bad_gain"] and result["tuned"]["separation"] > 0.9
    assert Path(result["report"]).is_file()


def test_the_mark_is_shown(marked: Path, tmp_path: Path) -> None:
    view = api.prepare_view(str(marked), rows=3, run_root=tmp_path)
    assert [row["answer"] for row in view["rows"]] == ["bad", "good", "good"]
    learned = ["".join(text for text, supervised in row["pieces"] if supervised) for row in view["rows"]]
    assert learned[0].startswith("Open order") and learned[1].startswith("Gladly")


@pytest.mark.parametrize("metric", ["rouge-l", "preference-accuracy"])
def test_another_metric_is_refused_before_the_training(marked: Path, tmp_path: Path, metric: str) -> None:
    with pytest.raises(RecipeError, match="compared by the probability"):
        whet.tune(str(marked), run_root=tmp_path, **{"evaluate.metric": metric})


@pytest.mark.parametrize(("bad", "words"), [(3, "no test row is marked bad"), (0, "every answer to learn from is")])
def test_too_few_of_one_mark_are_refused_before_the_training_and_check_says_so(
    tmp_path: Path, bad: int, words: str
) -> None:
    data = tmp_path / "few.jsonl"
    rows = [
        {"prompt": f"What of {n} and {n * n}?", "completion": f"It is {n * 7}.", "thumbs_up": int(n >= bad)}
        for n in range(120)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings: dict[str, Any] = {"split.near_duplicates": "false"}
    refused = api.check(str(data), run_root=tmp_path / "runs", **settings)["refused"]
    assert words in refused["what"]
    with pytest.raises(DataError) as caught:
        whet.tune(str(data), run_root=tmp_path / "runs", **settings)
    assert caught.value.what == refused["what"] and caught.value.fix == refused["fix"]
    assert not list(tmp_path.glob("runs/*/checkpoints")), "nothing was trained"
    if bad:
        larger = api.check(str(data), run_root=tmp_path / "runs", **settings, **{"split.test": 40})
        assert "split.test: 40" in refused["fix"] and larger["refused"] is None, "what the fix says helps"
