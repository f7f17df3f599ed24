"""`whet failures` of runs of several methods: their validation rows are asked, scored, and put in kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whet import api
from whet.cli import main

SHORT = {"steps": 1, "evaluate.forgetting": False, "split.near_duplicates": False, "split.validation": 12}
WORDS = "red green blue grey pink".split()


def rows(kind: str) -> list[dict[str, Any]]:
    asked = [f"number {n}: {WORDS[n % 5]} or {WORDS[n % 3]}?" for n in range(60)]
    if kind == "classify":
        return [{"text": text, "label": WORDS[n % 5]} for n, text in enumerate(asked)]
    if kind == "dpo":
        return [{"prompt": text, "chosen": WORDS[n % 5], "rejected": "no"} for n, text in enumerate(asked)]
    return [{"prompt": text, "completion": f"{WORDS[n % 5]} it is"} for n, text in enumerate(asked)]


METHODS = {
    "classify": ("{kind: classify}", "accuracy", "below 0.5"),
    "dpo": ("{kind: dpo}", "preference-accuracy", "below 0.5"),
    "grpo": (
        "{kind: grpo, samples: 2, max_new_tokens: 4, rewards: [{kind: length, most: 3}]}",
        "reward",
        "",
    ),
    "sft": ("{kind: sft}", "METRIC", "the lowest quarter"),
}


@pytest.mark.parametrize("kind", list(METHODS))
def test_failures_are_found_whatever_was_learned(kind: str, tmp_path: Path) -> None:
    method, metric, rule = METHODS[kind]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows(kind)))
    (tmp_path / "own.py").write_text("def stars(answer, reference, row):\n    return 3.0 + len(answer) % 7\n")
    own = {"evaluate.metric": f"{tmp_path}/own.py:stars", "evaluate.max_new_tokens": 4} if kind == "sft" else {}
    run = api.train(str(data), run_root=tmp_path / "runs", name="run", method=method, **SHORT, **own)["run"]
    found = api.failures(run, run_root=tmp_path / "runs")
    assert found["validation_rows"] == 12 and rule in found["rule"]
    assert found["metric"] == (own["evaluate.metric"] if kind == "sft" else metric)
    told = [row for one in found["kinds"] for row in one["rows"]]
    assert len(told) == found["failures"] and all(row["reference"] and "answer" in row for row in told)
    assert Path(found["list"]).read_text("utf-8").startswith("# What to collect")


def test_a_method_without_failures_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = [{"text": f"{WORDS[n % 5]} {n} is a number and a colour"} for n in range(80)]
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in text))
    api.train("t.jsonl", name="text", method="{kind: pretrain}", steps=1, **{"method.context": 64})
    assert main.run(["failures", "text"]) == 2
    assert "pretrain has none: it learns text, and text has no answers" in capfd.readouterr().err
