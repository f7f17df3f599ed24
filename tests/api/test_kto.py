"""A file of answers marked good or bad goes from a path to a paired verdict with nothing else said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import whet
from whet import api
from whet.errors import RecipeError


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
