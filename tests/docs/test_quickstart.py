"""docs/quickstart.md does what it says: every command runs, and prints what the page shows. So does the notebook."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from whet.demo_data.support_desk import generate

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "quickstart.md"
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"
CLASSES = {"refund", "late_delivery", "cancel_order"}
ELSEWHERE = ("pip install",)
"""Commands that the installation's own tests run."""
NUMBER = re.compile(r"[-+]?\d[\d.,]*")
OUTCOME = re.compile(r"\b(better|worse|no-difference|undecided|within budget|cannot tell|over budget)\b")
ANSWER = re.compile(r"Should it be used\? .*?\.(?= |$)")
Step = tuple[str, str]
"""A command, and what the page shows of its output."""


def steps(page: str) -> list[Step]:
    """Every command of the page in its order; a block of text belongs to the command before it."""
    found: list[Step] = []
    for kind, block in re.findall(r"```(sh|text)\n(.*?)```", page, re.DOTALL):
        if kind == "sh":
            found += [(line, "") for line in block.splitlines() if not line.startswith(ELSEWHERE)]
        else:
            found[-1] = (found[-1][0], block)
    return found


def plain(text: str) -> str:
    """The words alone. Numbers, and which way they decide, are the machine's: sums depend on its threads."""
    words = " ".join(re.sub(r"[─-╿·●]", " ", text).split())
    words = ANSWER.sub("Should it be used? ANSWER.", words)
    return re.sub(r"p [=<] N", "p N", OUTCOME.sub("OUTCOME", NUMBER.sub("N", words)))


def missing(shown: str, printed: str) -> list[str]:
    """The parts of what is shown, between lines of dots, that were not printed."""
    return [part for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE) if plain(part) not in plain(printed)]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[Step, str]]]:
    """The folder in which the page's commands ran, and each step with what it printed."""
    folder = tmp_path_factory.mktemp("quickstart")
    (folder / "recipes").symlink_to(ROOT / "recipes")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    told = []
    for step in steps(PAGE.read_text("utf-8")):
        ran = subprocess.run(["bash", "-c", step[0]], cwd=folder, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, f"{step[0]}\n{ran.stderr}"
        told.append((step, ran.stdout + ran.stderr))
    return folder, told


def test_every_command_of_the_page_prints_what_the_page_shows(done: tuple[Path, list[tuple[Step, str]]]) -> None:
    told = done[1]
    assert [step[0].split()[1] for step, _ in told if step[0].startswith("whet")] == ["check", "tune", "runs", "chat"]
    wrong = {step[0]: parts for step, printed in told if (parts := missing(step[1], printed))}
    assert not wrong, "\n\n".join(f"{command} did not print:\n{''.join(parts)}" for command, parts in wrong.items())
    assert (done[0] / "runs" / "first" / "report.html").is_file()


def test_what_was_not_printed_is_found() -> None:
    assert missing("base 1.5%\n...\nall is well\n", "the base 22%\nand more") == ["\nall is well\n"]
    assert not missing("p = 0.2 better\n", "│ p < 0.0001\n undecided │")


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert len(cells) > 5 and not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
def test_the_notebook_does_the_same(done: tuple[Path, list[tuple[Step, str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder of the page, so that its tune finds the page's run finished."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    book: Any = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(done[0])}}).execute()
    told = "\n".join(str(output) for cell in book.cells for output in cell.get("outputs", []))
    assert "test-power" in told and "test rows" in told and "image/svg+xml" in told
    shown = [step[1] for step, _ in done[1] if step[0].startswith("whet chat")]
    assert repr(shown[0].strip()) in book.cells[-2].outputs[0]["data"]["text/plain"]
    assert [path.name for path in (done[0] / "runs").iterdir() if path.is_dir()].count("first") == 1


def test_the_pages_file_is_made_up() -> None:
    lines = (ROOT / "recipes" / "data" / "tickets.jsonl").read_text("utf-8").splitlines()
    made = [(row["prompt"], json.loads(row["completion"])["intent"]) for row in generate(660, seed=4)]
    assert [json.loads(line) for line in lines] == [{"text": t, "label": c} for t, c in made if c in CLASSES]
