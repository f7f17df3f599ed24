"""A verdict is given once more without the test rows that may be known from the training."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from whet import api
from whet.evaluation import decision
from whet.evaluation.leaks import without_leaks
from whet.store.run import Run

WORDS = [f"word{number}" for number in range(2000)]


def lines(right: list[int], count: int = 60) -> list[dict[str, Any]]:
    return [{"row": 100 + n, "base_score": 0.0, "tuned_score": float(n in right)} for n in range(count)]


@pytest.mark.parametrize(
    ("known", "word", "caution"),
    [
        (range(0), None, False),
        (range(5), "better", False),
        (range(20), "undecided", True),
        (range(60), None, True),
    ],
)
def test_a_gain_that_rests_on_known_rows_is_not_put_in_use(known: range, word: str | None, caution: bool) -> None:
    leaks = {"test_rows": [100 + n for n in known], "codes": ["contamination"]}
    found = without_leaks("better", lines(list(range(20))), leaks, 0)
    assert found.get("leaks", {}).get("verdict", {}).get("word") == word and ("caution" in found) == caution
    if known:
        assert found["leaks"]["sentence"].startswith(f"{len(known)} test rows may be known from the training (contam")
    decided = decision.decide({"verdict": {"word": "better"}} | found)
    assert (decided["answer"] == "yes") != caution


def test_a_verdict_that_is_not_better_needs_no_warning() -> None:
    leaks = {"test_rows": [100], "codes": ["split-group"]}
    found = without_leaks("undecided", lines([]), leaks, 0)
    assert found["leaks"]["sentence"].startswith("1 test row may") and "caution" not in found


def test_lines_keep_their_groups_where_rows_were_left_out() -> None:
    """Ten of 60 rows have no line, as after a teacher that said nothing; turns of ten talks change together."""
    found = [line | {"group": f"talk {line['row'] // 5}"} for line in lines(list(range(30)))[10:]]
    known = without_leaks("better", found, {"test_rows": [159], "codes": ["contamination"]}, 0)
    assert known["leaks"]["difference"]["clusters"] == 10
    assert known["leaks"]["difference"]["rows"] == 49


def test_a_tune_tells_what_its_rows_give_away(tmp_path: Path) -> None:
    """Questions of the test file stand inside longer questions to be learned; users have rows on both sides."""
    pick = random.Random(0)
    made = [{"prompt": " ".join(pick.choices(WORDS, k=30)), "completion": f"a{n % 3}", "user_id": n} for n in range(80)]
    train, test = made[:60], made[60:]
    for value, own in zip(train[:4], test, strict=False):
        value["prompt"] += f" {own['prompt']} {' '.join(pick.choices(WORDS, k=30))}"
    for number, value in enumerate(train[10:]):
        value["user_id"] = 1000 + number // 2
    test[7]["user_id"] = 1000
    for name, values in (("a", train), ("b", test)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(value) + "\n" for value in values))
    keys = {"steps": 1, "evaluate.forgetting": False, "evaluate.max_new_tokens": 2, "split.validation": 0}
    result = api.tune(str(tmp_path / "a.jsonl"), run_root=tmp_path / "runs", test=str(tmp_path / "b.jsonl"), **keys)
    run = Run.open(result["run"], tmp_path / "runs")
    stored = run.read_json("leaks.json")
    assert stored["test_rows"] == [60, 61, 62, 63, 67] and stored["codes"] == ["contamination", "split-group"]
    assert result["leaks"]["difference"]["rows"] == 15
    assert result["leaks"]["sentence"] in result["verdict"]["sentence"]
    assert "5 test rows may be known from the training" in Path(result["report"]).read_text("utf-8")
    (run.folder / "leaks.json").unlink()
    assert api.evaluate(run, anew=True)["leaks"] == result["leaks"], "found anew where they were not looked for"
