"""What a shell completes: verbs, options, runs, models and keys of the recipe, and nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from whet.cli.main import run
from whet.recipe.schema import Recipe
from whet.store import model_registry
from whet.store.run import Run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def runs(here: Path) -> None:
    for seed, name in enumerate(("desk-a", "desk-b", "other")):
        made = Run.create("runs", Recipe(data="tickets.jsonl", seed=seed), name)
    model_registry.register("helper", made, {}, "runs")
    Run.create("elsewhere", Recipe(data="tickets.jsonl"), "far")


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> set[str]:
    """What bash would offer at the end of this line."""
    monkeypatch.setenv("_WHET_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    with pytest.raises(SystemExit):
        run([])
    return set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("whet tu", {"tune"}),
        ("whet runs pr", {"prune"}),
        ("whet eval desk", {"desk-a", "desk-b"}),
        ("whet runs show o", {"other"}),
        ("whet runs rm desk-a desk-b o", {"other"}),
        ("whet eval --runs elsewhere ", {"far"}),
        ("whet compare tickets.jsonl --run desk-a", {"desk-a"}),
        ("whet models rollback ", {"helper"}),
        ("whet chat ", {"helper", "nano", "desk-a", "desk-b", "other"}),
        ("whet tune tickets.jsonl --set adapter.r", {"adapter.rank=", "adapter.rank_pattern=", "adapter.rslora="}),
        ("whet tune tickets.jsonl --learn", {"--learning-rate"}),
    ],
)
def test_a_shell_is_offered(line: str, offered: set[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    assert completed(line, monkeypatch, capsys) == offered


def test_nothing_heavy_is_imported_for_it() -> None:
    code = """if True:
        import os, sys
        from whet.cli.main import run
        for line in ("whet chat ", "whet tune x --set a"):
            os.environ |= {"_WHET_COMPLETE": "complete_bash", "COMP_WORDS": line}
            os.environ["COMP_CWORD"] = str(len(line.split(" ")) - 1)
            try:
                run([])
            except SystemExit:
                continue
            raise AssertionError("nothing was completed")
        heavy = {"torch", "transformers", "numpy"} & set(sys.modules)
        sys.exit(f"imported: {heavy}" if heavy else 0)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "desk-a" in done.stdout and "adapter=" in done.stdout


def test_help_says_how_it_is_installed(capsys: Capture) -> None:
    assert run(["--help"]) == 0 and "--install-completion" in capsys.readouterr().out
