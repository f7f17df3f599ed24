"""What a killed process left behind is swept when a run is taken up, and what somebody writes is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import whet
from whet.recipe.schema import Recipe
from whet.store import leftovers
from whet.store.atomic import new_folder, sweep
from whet.store.run import Run

WRITES = """
import sys, time
from pathlib import Path
from whet.store.atomic import new_folder, write_pieces

def slowly():
    yield b"x" * 1000
    print("writing", flush=True)
    time.sleep(60)

if sys.argv[1] == "folder":
    with new_folder(sys.argv[2]) as temporary:
        (temporary / "weights").write_bytes(b"x" * 1000)
        for _ in slowly():
            pass
else:
    write_pieces(sys.argv[2], slowly())
"""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "FEW_SECONDS", -1)


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_killed_writer_s_file_is_swept_and_a_living_one_s_is_not(what: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(whet.__file__).parents[1])}
    command = [sys.executable, "-c", WRITES, what, str(tmp_path / "a" / "target")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout and process.stdout.readline() == "writing\n"
        assert sweep(tmp_path, deep=True) == 0 and len(list((tmp_path / "a").iterdir())) == 1, "it is being written"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert sweep(tmp_path) == 0, "not below the folder, unless that is asked for"
    sweep(tmp_path, deep=True)
    assert not list((tmp_path / "a").iterdir())


def test_a_run_that_is_taken_up_sweeps_what_is_left_in_it_and_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text("x")
    run = Run.create(tmp_path / "runs", Recipe(data=str(tmp_path / "d.jsonl")))
    left = [run.folder / "checkpoints" / ".last.0123abcd.tmp", tmp_path / "runs" / "cache" / ".rows-1.89abcdef.tmp"]
    mine = [run.folder / ".notes.tmp", run.folder / ".0123abcd.txt", tmp_path / ".a.0123abcd.tmp"]
    for path in (*left, mine[0]):
        path.mkdir(parents=True)
        (path / "inside").write_text("x")
    for path in mine[1:]:
        path.write_text("x")
    with run.working():
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in mine), "only what Whet itself names so, in its own folders"
        with new_folder(run.folder / "model") as temporary:
            assert sweep(run.folder, deep=True) == 0 and temporary.exists()


def test_a_file_that_has_just_been_made_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "FEW_SECONDS", 5)
    path = tmp_path / ".a.json.0123abcd.tmp"
    path.write_text("x")
    assert sweep(tmp_path) == 0 and path.exists()
    os.utime(path, (time.time() - 60, time.time() - 60))
    assert sweep(tmp_path) == 1 and not path.exists()
