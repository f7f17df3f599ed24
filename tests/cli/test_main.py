"""Every end of a command is one clear message and the right exit code; --json is one object on stdout."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from whet.cli.main import RESUMES, run
from whet.cli.reference import cli_page
from whet.cli.verb_list import whole_app
from whet.errors import NonFiniteError, RunError

ROOT = Path(__file__).parents[2]
VERBS = ["demo", "init", "show", "tune", "train", "eval", "chat", "runs", "models"]


def whet(*arguments: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "whet", *arguments], capture_output=True, text=True, env=environment, timeout=timeout
    )


HELP_LOADS = {"cli", "errors", "recipe", "store", "text"}
"""Rooms of which --help and --version need a light file: each more is paid at every start."""


def test_help_names_every_verb() -> None:
    done = whet("--help")
    assert done.returncode == 0 and all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_a_start_loads_little(option: str) -> None:
    """Which is what keeps it quick; how quick is measured by the benchmark, not here."""
    code = (
        f"import sys; from whet.cli.main import run; run(['{option}']); "
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('whet.')}; "
        "heavy = {'torch', 'numpy', 'pydantic', 'yaml', 'sqlite3', 'jinja2'} & set(sys.modules); "
        f"sys.exit(', '.join(sorted(rooms - {HELP_LOADS!r} | heavy)) or 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_and_the_page_of_the_command_line_have_the_same_headings(capsys: pytest.CaptureFixture[str]) -> None:
    groups: dict[str, list[str]] = {}
    for name, command in typer.main.get_command(whole_app()).commands.items():  # type: ignore[attr-defined]
        groups.setdefault(command.rich_help_panel, []).append(name)
    assert list(groups) == ["Start", "Data", "Train", "Measure", "Use", "Operate", "Look back"]
    assert groups["Data"] == ["check", "show", "collect"] and groups["Look back"] == ["runs"]
    assert run(["--help"]) == 0
    shown = [line.split()[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("╭─")]
    assert [" ".join(words).strip("─ ") for words in shown] == ["Options", *groups]
    headings = re.findall(r"^#{2,3} (?:whet )?(.+)$", cli_page(), flags=re.MULTILINE)
    assert headings == [one for group, verbs in groups.items() for one in (group, *verbs)]


def commands() -> list[tuple[str, ...]]:
    found = []
    for name, command in typer.main.get_command(whole_app()).commands.items():  # type: ignore[attr-defined]
        children = getattr(command, "commands", {})
        found += [(name,), *((name, child) for child in children)]
    return found


@pytest.mark.parametrize("command", commands())
def test_every_verb_has_help_with_an_example_that_parses(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Example: whet {command[0]}" in shown and "--json" in shown


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["tun"], "No such command 'tun'. Did you mean 'tune'?"),
        (["tune"], "Missing argument 'DATA-or-RECIPE'"),
        (["tune", "a", "--stes"], "No such option: --stes"),
        (["demo", "--rows", "many"], "Invalid value for '--rows'"),
        (["tune", "missing.jsonl"], "missing.jsonl: there is no such file"),
        (["tune", "ticket.jsonl"], "did you mean 'tickets.jsonl'"),
        (["tune", "tickets.jsonl", "--set", "lr=1"], "here it is called learning_rate"),
        (["tune", "tickets.jsonl", "--set", "lr"], "an override is key=value"),
        (["tune", "bad.yaml"], "bad.yaml:2: unknown key 'epoch'; did you mean 'epochs'?"),
        (["tune", "picture.png"], "neither a recipe"),
        (["show", "missing.yaml"], "there is no such file"),
        (["train", "bad.yaml"], "unknown key 'epoch'"),
        (["eval", "nothing"], "there is no run 'nothing' in runs/"),
        (["init", "missing.jsonl"], "there is no such file"),
        (["init", "bad.yaml"], "this is a recipe already"),
        (["init", "tickets.jsonl", "--out", "x.txt"], "a recipe ends in .yaml"),
        (["runs", "show", "nothing"], "there is no run 'nothing'"),
        (["runs", "--runs", "x", "show", "y"], "options go after the verb"),
        (["models", "promote", "desk", "1"], "there is no model 'desk'"),
        (["models", "roll-back", "desk"], "there is no model 'desk'"),
        (["models", "register", "desk", "nothing"], "there is no run 'nothing'"),
    ],
)
def test_wrong_input_ends_with_2_and_one_message(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str], api: object
) -> None:
    Path("bad.yaml").write_text("data: tickets.jsonl\nepoch: 3\n")
    Path("picture.png").write_bytes(b"\x89PNG")
    before = sorted(Path().rglob("*"))
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert expected in shown.err and "fix:" in shown.err
    assert "Traceback" not in shown.err and shown.out == ""
    assert sorted(Path().rglob("*")) == before, "nothing is left behind"
    assert run([*arguments, "--json"]) == 2
    message = json.loads(capsys.readouterr().out)
    assert message["error"]["exit_code"] == 2 and message["error"]["fix"]


def test_no_command_shows_the_help() -> None:
    done = whet()
    assert "Usage: whet" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("fault", "code", "expected"),
    [
        (
            NonFiniteError("the loss is not a number", where="step 3", fix="lower the learning rate"),
            1,
            "step 3: the loss",
        ),
        (RunError("no"), 1, "whet: no"),
        (KeyboardInterrupt(), 130, "stopped; the same command resumes"),
        (ValueError("surprise"), 1, "this should not have happened: ValueError: surprise"),
    ],
)
def test_a_run_that_fails_says_so(
    api: object,
    capsys: pytest.CaptureFixture[str],
    fault: BaseException,
    code: int,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    api.fault = fault  # type: ignore[attr-defined]
    assert run(["tune", "tickets.jsonl"]) == code
    shown = capsys.readouterr()
    assert expected in shown.err and "Traceback" not in shown.err
    saved = list(tmp_path.glob("whet-*.txt"))
    assert bool(saved) == isinstance(fault, ValueError)
    if saved:
        assert str(saved[0]) in shown.err and "ValueError: surprise" in saved[0].read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tune", "tickets.jsonl"], "stopped; the same command resumes from what is saved"),
        (["compare", "tickets.jsonl"], "stopped; the same command resumes from what is saved"),
        (["check", "tickets.jsonl"], "stopped, and nothing was saved; the same command starts from the beginning"),
        (
            ["frontier", "tickets-1a2b3c4d"],
            "stopped, and nothing was saved; the same command starts from the beginning",
        ),
    ],
)
def test_who_stops_a_command_is_told_whether_anything_is_kept(
    api: object, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    setattr(api, arguments[0], stop)
    assert run([*arguments, "--json"]) == 130
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["what"] == said and said in shown.err


def test_the_verbs_that_resume_are_verbs() -> None:
    assert {name for (name, *_) in commands()} > RESUMES


def test_a_full_disk_is_one_message(
    api: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run(["tune", "tickets.jsonl"]) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert not [path for path in Path().rglob("*") if path.is_file() and path.name != "tickets.jsonl"]


def test_a_folder_that_can_not_be_written_is_one_message(api: object, capsys: pytest.CaptureFixture[str]) -> None:
    Path("occupied").write_text("a file")
    assert run(["tune", "tickets.jsonl", "--runs", "occupied"]) == 2
    shown = capsys.readouterr().err
    assert "occupied" in shown and "cannot write" in shown and "--runs" in shown


def test_a_reader_that_closes_the_pipe_early_is_no_fault() -> None:
    command = f"{sys.executable} -m whet --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert "Traceback" not in done.stderr and "should not have happened" not in done.stderr


def test_ctrl_c_in_a_real_process_ends_with_130() -> None:
    code = (
        "import signal, sys, time, types, whet\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "fake = types.ModuleType('whet.api')\n"
        "def tune(*a, **k):\n    print('busy', file=sys.stderr, flush=True); time.sleep(60)\n"
        "fake.tune = tune; sys.modules['whet.api'] = fake\n"
        "from whet.cli.main import run; sys.exit(run(['tune', 'tickets.jsonl']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stderr and [process.stderr.readline() for _ in range(2)] == ["starting ...\n", "busy\n"]
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait() == 130 and "the same command resumes" in rest and "Traceback" not in rest
    process.stderr.close()


def test_without_its_parts_the_service_says_what_to_install() -> None:
    """In a process of its own: rooms that are imported twice are two rooms, for every test after this one."""
    code = (
        "import sys; sys.modules['sqlalchemy'] = None; from whet.cli.main import run; sys.exit(run(['keys', 'list']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 2 and re.search(r"sqlalchemy.*\n.*whet\[server\]", done.stderr), done.stderr
