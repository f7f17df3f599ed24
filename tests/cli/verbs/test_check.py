"""`whet check` finds, explains and refuses, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whet.cli.main import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    rows = [
        {"prompt": f"What of {n} and {n * n}?", "chosen": f"It is {n}, and I am glad to say so.", "rejected": f"{n}."}
        for n in range(60)
    ]
    rows[4] = {"prompt": "Hi?", "chosen": "Hello!", "rejected": "What."}
    rows[5] = {"prompt": "Hi?", "chosen": "What.", "rejected": "Hello!"}
    rows[6] = {"prompt": "Ho?", "chosen": "Hello!", "rejected": "Hello!"}
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "pairs.jsonl"


def test_check_finds_what_is_wrong_and_says_what_the_rows_can_prove(pairs: str, capsys: Capture) -> None:
    assert run(["check", pairs, "--json"]) == 2, "it is refused, after all else that was found"
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    keys = {"rows", "kind", "findings", "refused", "against", "ledger", "power", "apart", "notes", "curve"}
    assert set(result) == keys
    assert result["rows"] == 60 and result["kind"] == "preference"
    assert result["ledger"]["dropped"] == {"same-answer": 1}, "more than the drop budget allows, and told all the same"
    codes = {finding["code"]: finding for finding in result["findings"]}
    assert set(codes) == {"length-bias", "contradiction", "same-answer", "test-power"}
    assert set(codes["contradiction"]) == {"code", "severity", "count", "rows", "message", "fix"}
    assert codes["contradiction"]["rows"] == [4, 5] and codes["same-answer"]["rows"] == [6]
    assert result["power"]["test_rows"] == result["ledger"]["held_out"]["test"]
    assert codes["test-power"]["message"].endswith(" rows") and shown.err.count("6 test rows") == 1, "said once"
    for words in ("Where every row went", "dropped: same-answer", "warning  length-bias", "--explain contradiction"):
        assert words in shown.err
    assert not (Path("runs") / "pairs").exists()


def test_check_says_that_tune_will_refuse_rows_that_it_passes_itself(pairs: str, capsys: Capture) -> None:
    assert run(["check", pairs, "--json"]) == 2
    shown = capsys.readouterr()
    refused = json.loads(shown.out)["refused"]
    assert "1 of 60 rows (1.7%) cannot be used, more than drop_budget allows (1%)" in refused["what"]
    assert "whet tune will refuse this data: 1 of 60 rows (1.7%)" in shown.err and "drop_budget: 0.02" in shown.err
    assert run(["tune", pairs, "--set", "steps=1"]) == 2
    told = capsys.readouterr().err
    assert refused["what"] in told and refused["fix"] in told, "the words of the refusal itself"
    assert run(["check", pairs, "--json", "--set", "drop_budget=0.02"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["refused"] is None and "refuse" not in shown.err


def test_check_finds_nothing_in_clean_rows(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}."} for n in range(40)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["check", "rows.jsonl", "--skip", "test-power"]) == 0
    assert "No check found anything." in capsys.readouterr().out


def test_a_benchmark_in_the_data_is_found(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    question = "A farmer has {n} cows and {n} hens on a hill; how many legs do all of these animals have together"
    data = [{"prompt": f"What is {n} and how is it seen?", "completion": f"It is {n}."} for n in range(40)]
    data[7] = {"prompt": f"Hello! {question.format(n=77).upper()}?", "completion": "Some 462."}
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    bench = [{"question": question.format(n=n), "answer": str(6 * n)} for n in range(70, 80)]
    Path("bench.json").write_text(json.dumps(bench))
    assert run(["check", "rows.jsonl", "--against", "bench.json", "--only", "contamination", "--json"]) == 0
    shown = capsys.readouterr()
    [finding] = json.loads(shown.out)["findings"]
    assert finding["rows"] == [7] and "rows of bench.json" in finding["message"]
    assert json.loads(shown.out)["against"] == [{"name": "bench.json", "rows": 10, "held": 1}]
    assert "none of their texts" not in shown.err
    Path("clean.json").write_text(json.dumps(bench[:7]))
    assert run(["check", "rows.jsonl", "--against", "clean.json"]) == 0
    told = "Compared with 7 rows of clean.json: none of their texts is in a row to be learned."
    assert told in capsys.readouterr().out
    assert run(["check", "rows.jsonl", "--against", "clean.json", "--skip", "contamination"]) == 2
    assert "the check contamination is left out" in capsys.readouterr().err
    assert run(["check", "rows.jsonl", "--against", "bench.jsonl"]) == 2
    assert "did you mean 'bench.json'?" in capsys.readouterr().err


def test_what_the_test_rows_show_is_said_where_no_finding_says_it(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}."} for n in range(40)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["check", "rows.jsonl", "--skip", "test-power"]) == 0
    assert "4 test rows can hardly decide anything" in capsys.readouterr().out


def test_what_fix_did_is_not_advised_again(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}."} for n in range(40)]
    rows[3]["completion"] = "It is\u200b 3."
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["check", "rows.jsonl", "--only", "control-characters"]) == 0
    assert "fix: whet check DATA --fix OUT.jsonl takes them out" in capsys.readouterr().out
    assert run(["check", "rows.jsonl", "--only", "control-characters", "--fix", "clean.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert "fix: --fix takes them out (done in clean.jsonl)" in shown and "OUT.jsonl" not in shown


def test_a_check_explains_itself(capsys: Capture) -> None:
    assert run(["check", "--explain", "length-bias"]) == 0
    shown = capsys.readouterr().out
    assert "Why: a model then learns the length" in shown and "Sure: " in shown
    assert run(["check", "--explain", "length-bias", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == "length-bias"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], "no data is named"),
        (["check", "--explain", "lenght-bias"], "did you mean 'length-bias'"),
        (["check", "x.jsonl"], "no such file"),
    ],
)
def test_what_cannot_be_checked_is_one_clear_message(arguments: list[str], words: str, capsys: Capture) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert words in shown.err and "Traceback" not in shown.err and not shown.out
