"""Bad input to the verbs that ask about data and runs: one clear message, and a finished run stays finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.verbs.malformed_cases import GOOD, jsonl
from whet.cli import main
from whet.demo_data.support_desk import generate
from whet.store.run import Run

SHORT = ("--set", "steps=1", "--set", "evaluate.forgetting=false")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and three finished runs: `words`, without validation rows, `labels`, with a head, `text`."""
    folder = tmp_path_factory.mktemp("evidence")
    rows = [{"text": f"{'good' if n % 2 else 'bad'} number {n}", "label": n % 2} for n in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("d.jsonl").write_bytes(jsonl(GOOD))
        Path("labels.jsonl").write_bytes(jsonl(rows))
        assert main.run(["tune", "d.jsonl", *SHORT, "--set", "split.validation=0", "--name", "words"]) == 0
        Path("t.jsonl").write_bytes(jsonl([{"text": f"{row['prompt']} {n}"} for n, row in enumerate(generate(60, 4))]))
        assert main.run(["tune", "t.jsonl", *SHORT, "--set", "method=pretrain", "--name", "text"]) == 0
        assert main.run(["tune", "labels.jsonl", *SHORT, "--set", "method=classify", "--name", "labels"]) == 0
    return folder


def refusal(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    capfd.readouterr()
    assert main.run([*arguments, "--json"]) == code
    out, err = capfd.readouterr()
    assert err.count("whet: ") == 1 and "\n  fix: " in err and "should not have happened" not in err, err
    assert json.loads(out)["error"]["exit_code"] == code
    return err[err.index("whet: ") :]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "d.jsonl", "--only", ","], "--only: no check is named"),
        (["check", "d.jsonl", "--skip", ""], "--skip: no check is named"),
        (["check", "d.jsonl", "--against", ""], "the name of a data file is empty"),
        (["check", "d.jsonl", "--fix", "labels.jsonl/new.jsonl"], "labels.jsonl: --fix cannot write to this folder"),
        (["check", "d.jsonl", "--fix", "/proc/new.jsonl"], "/proc/new.jsonl: cannot write: "),
        (["check", "d.jsonl", "--fix", "/proc/new.jsonl"], "fix: name another file with --fix"),
        (["judge", "text"], "learned text, and text has no answers to compare\n  fix: judge a run that"),
        (["failures", "text"], "pretrain has none: it learns text"),
        (["frontier", "words", "--take", "0"], "no such point between base and tuned (got 0.0)"),
        (["frontier", "words", "--take", "nan"], "no such point between base and tuned (got nan)"),
        (["frontier", "words", "--take", "0.5", "--prompts", "p.jsonl"], "--prompts is for measuring the way"),
        (["frontier", "words", "--prompts", ""], "prompts: the name of the file is empty"),
        (["frontier", "words"], "d.jsonl: there are no validation rows with answers"),
        (["frontier", "labels"], "run labels: classify trains a new head"),
        (["frontier", "labels", "--take", "0.5"], "run labels: classify trains a new head"),
        (["failures", "words"], "d.jsonl: there are no validation rows"),
        (
            ["compare", "d.jsonl", *SHORT, "--set", "split.validation=0", "--set", "compare.shots=[2,4]"],
            "compare.shots: validation rows choose among several numbers of examples, and there are none",
        ),
        (["compare", "d.jsonl", "--run", "words", "--set", "compare.template=x"], "{passages} and {question} in it"),
    ],
)
def test_a_refused_question_leaves_the_run_finished(
    arguments: list[str], words: str, trained: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    assert words in refusal(capfd, *arguments)
    assert {Run.open(name, "runs").status for name in ("words", "labels")} == {"done"}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("keep.replay=bas", "keep.replay, bas: no such file"),
        ("keep.replay=empty.jsonl", "keep.replay, empty.jsonl: the file is empty"),
        ("forgetting.suites=[nofile.jsonl]", "nofile.jsonl: no such file"),
        ("evaluate.metric=leaves.py:score", "cannot be imported: SystemExit: 0"),
        ("retrieval={documents: d.jsonl, template: x}", "a text with {passages} once, and {question} (got 'x')"),
    ],
)
def test_what_a_key_names_is_looked_at_before_a_run_is_made(
    key: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("d.jsonl").write_bytes(jsonl(GOOD))
    Path("empty.jsonl").touch()
    Path("leaves.py").write_text("import sys\nsys.exit(0)\ndef score(answer, reference, row): return 1\n")
    assert words in refusal(capfd, "tune", "d.jsonl", "--set", "steps=1", "--set", key)
    assert not list(Path("runs").glob("*/run.json"))


def test_text_without_answers_is_pointed_to_pretraining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.jsonl").write_bytes(jsonl([{"text": row["prompt"]} for row in generate(30, 4)]))
    assert "none ends in an answer\n  fix: give rows with answers" in refusal(capfd, "tune", "t.jsonl", *SHORT)


def test_one_label_for_all_rows_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("l.jsonl").write_bytes(jsonl([{"text": f"{row['prompt']}", "label": "spam"} for row in generate(30, 5)]))
    assert main.run(["check", "l.jsonl", "--only", "label-skew", "--json"]) == 0
    [finding] = json.loads(capfd.readouterr().out)["findings"]
    assert finding["severity"] == "warning" and "all 30 rows have the same answer, 'spam'" in finding["message"]


def test_the_run_of_a_stopped_question_is_as_it_was(trained: Path) -> None:
    run = Run.open("words", trained / "runs")
    before = run.status_facts()
    with pytest.raises(KeyboardInterrupt), run.reading():
        run.set_status("preparing")
        raise KeyboardInterrupt
    assert run.status_facts() == before
