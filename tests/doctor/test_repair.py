"""`whet check --fix` writes the rows without what can be repaired, shows every change, and leaves the data alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from whet.cli.main import run
from whet.data.read.source import read_source

Capture = pytest.CaptureFixture[str]


def rows() -> list[dict[str, Any]]:
    made = [{"id": n, "prompt": f"What is {n}?", "completion": f"It is {n}, and nothing else."} for n in range(40)]
    made[3]["completion"] = "Itâ€™s three.<br>Write to anna@posteo.de."
    made[5]["completion"] = "As an AI language model, I cannot count to five."
    made[9]["completion"] = ""
    made[11]["extra"] = {"notes": ["caf\u00c3\u00a9", 7, None]}
    return made


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("rows.jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()), "utf-8")
    return path


def test_fix_mends_and_leaves_out_and_keeps_the_columns(data: Path, capsys: Capture) -> None:
    before = data.read_bytes()
    assert run(["check", str(data), "--fix", "clean.jsonl", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert data.read_bytes() == before
    fixed = [row.value for row in read_source("clean.jsonl")]
    expected = rows()
    expected[3]["completion"] = "It’s three.\nWrite to [EMAIL]."
    expected[11]["extra"] = {"notes": ["café", 7, None]}
    assert fixed == [row for n, row in enumerate(expected) if n not in (5, 9)]
    assert result["fixed"] == {
        "out": "clean.jsonl",
        "diff": "clean.diff",
        "rows_in": 40,
        "rows_out": 38,
        "mended": {"html": 1, "mojibake": 2, "personal-data": 1},
        "left_out": {"boilerplate": 1, "missing-answer": 1},
    }


def test_the_diff_is_one_that_patch_understands(data: Path) -> None:
    """git apply is the independent reader; it wants the names of the files in its own form."""
    assert run(["check", str(data), "--fix", "clean.jsonl"]) == 0
    expected = Path("clean.jsonl").read_bytes()
    command = ["git", "apply", "--unidiff-zero", "--unsafe-paths", "-p0", "copy.diff"]
    Path("copy.diff").write_text(Path("clean.diff").read_text().replace("+++ clean.jsonl", "+++ rows.jsonl", 1))
    subprocess.run(command, check=True, capture_output=True)
    assert data.read_bytes() == expected


def test_the_diff_says_where_each_change_stands_and_why(data: Path) -> None:
    assert run(["check", str(data), "--fix", "clean.jsonl"]) == 0
    lines = Path("clean.diff").read_text("utf-8").splitlines()
    assert lines[:2] == ["--- rows.jsonl", "+++ clean.jsonl"]
    assert [line for line in lines if line.startswith("@@")] == [
        "@@ -4 +4 @@ html, mojibake, personal-data",
        "@@ -6 +5,0 @@ boilerplate",
        "@@ -10 +8,0 @@ missing-answer",
        "@@ -12 +10 @@ mojibake",
    ]


def test_lines_without_a_fault_stay_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f'{{"prompt":"What is {n}?",  "completion": "It is \\u0041 {n}."}}' for n in range(40)]
    lines[3] = '{"prompt": "Three?", "completion": "As an AI language model, no."}'
    Path("rows.jsonl").write_text("\n".join(lines) + "\n")
    assert run(["check", "rows.jsonl", "--fix", "out.jsonl"]) == 0
    assert Path("out.jsonl").read_text().splitlines() == lines[:3] + lines[4:]


def test_columns_of_a_table_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"What is {n}?,It is {n}.,note {n}" for n in range(30)]
    lines[4] = "What is four?,MÃ¼ller,ok"
    Path("rows.csv").write_text("prompt,completion,comment\n" + "\n".join(lines) + "\n", "utf-8")
    assert run(["check", "rows.csv", "--fix", "out.jsonl"]) == 0
    assert [row.value for row in read_source("out.jsonl")][4] == {
        "prompt": "What is four?",
        "completion": "Müller",
        "comment": "ok",
    }


def test_a_ranking_is_left_out_when_all_of_its_pairs_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = [{"prompt": f"Q{n}?", "ranked": [f"Best {n}.", f"Good {n}.", f"Bad {n}."]} for n in range(30)]
    made[2]["ranked"] = [
        "As an AI language model, no.",
        "As an AI language model, yes.",
        "As an AI language model, so.",
    ]
    made[8]["ranked"][2] = "Certainly! Here is one."
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    assert run(["check", "rows.jsonl", "--only", "boilerplate", "--fix", "out.jsonl"]) == 0
    assert [row.value for row in read_source("out.jsonl")] == [row for n, row in enumerate(made) if n != 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fix", "there.jsonl"], "this file is there already"),
        (["--fix", "other.jsonl"], "this file is there already"),
        (["--fix", "rows.jsonl"], "this file is there already"),
        (["--fix", "out.csv"], "written as JSON lines"),
        (["--only", "mojibak"], "did you mean 'mojibake'"),
        (["--skip", "htm"], "did you mean 'html'"),
        (["--only", "html", "--skip", "html"], "no check is left"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    data: Path, arguments: list[str], words: str, capsys: Capture
) -> None:
    Path("there.jsonl").write_text("mine")
    Path("other.diff").write_text("mine")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert run(["check", str(data), *arguments]) == 2
    shown = capsys.readouterr()
    assert words in shown.err and "Traceback" not in shown.err
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_nothing_is_written_when_no_row_would_be_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = [{"prompt": f"Q{n}?", "completion": f"As an AI language model, I say {n}."} for n in range(30)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    assert run(["check", "rows.jsonl", "--fix", "out.jsonl"]) == 2
    assert not Path("out.jsonl").exists() and not Path("out.diff").exists()


def test_what_was_changed_is_said(data: Path, capsys: Capture) -> None:
    assert run(["check", str(data), "--fix", "clean.jsonl"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "clean.jsonl: 38 of 40 rows",
        "clean.diff",
        "mended    mojibake: 2 rows",
        "left out  boilerplate: 1 row",
    ):
        assert words in shown


def test_only_and_skip_choose_the_checks(data: Path, capsys: Capture) -> None:
    for arguments, expected in (
        (["--only", "html,mojibake"], {"html", "mojibake"}),
        (["--skip", "html, mojibake"], {"boilerplate", "missing-answer", "personal-data"}),
    ):
        assert run(["check", str(data), *arguments, "--set", "drop_budget=0.1", "--json"]) == 0
        codes = {finding["code"] for finding in json.loads(capsys.readouterr().out)["findings"]}
        assert expected <= codes and not codes & ({"html", "mojibake"} - expected)
