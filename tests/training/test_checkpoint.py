"""A checkpoint of which one bit is not what was written is refused; the older one gives the same result."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.notes import Notes
from tests.training.optimizers.test_rate_hold import Killed, go_on, run_in
from whet.errors import RunFolderError, count
from whet.store.run import Run
from whet.training.checkpoint import load_best, path_of


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    return go_on(run_in(tmp_path_factory.mktemp("whole")), None)[0]


@pytest.fixture
def killed(tmp_path: Path) -> Run:
    """A run that was killed after two checkpoints."""
    run = run_in(tmp_path)
    with pytest.raises(Killed):
        go_on(run, 18)
    return run


def flip(path: Path, at: float = 0.5) -> None:
    """Another value of one bit, somewhere in the file."""
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= 1
    path.write_bytes(bytes(data))


FILES = ("state.safetensors", "progress.json", "best.safetensors", "beside.json", "SHA256SUMS")


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_refused_and_the_older_checkpoint_gives_the_same(
    killed: Run, uninterrupted: Tensor, name: str
) -> None:
    assert {path.name for path in killed.checkpoint("last").iterdir()} == set(FILES), "each file is tried"
    flip(killed.checkpoint("last") / name)
    with pytest.raises(RunFolderError, match="the checkpoint is damaged") as caught:
        go_on(killed, None)
    step = json.loads((killed.checkpoint("older") / "progress.json").read_text())["step"]
    assert f"the older checkpoint, of step {step}, remove" in caught.value.fix
    shutil.rmtree(killed.checkpoint("last"))
    assert go_on(killed, None)[0].equal(uninterrupted)


def test_another_step_number_is_refused(killed: Run) -> None:
    path = killed.checkpoint("last") / "progress.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"step": facts["step"] - 1}))
    with pytest.raises(RunFolderError, match=r"progress\.json is not what was written"):
        go_on(killed, None)


def test_damaged_metrics_are_refused_and_a_torn_end_is_not(killed: Run, uninterrupted: Tensor) -> None:
    metrics = killed.folder / "metrics.jsonl"
    whole = metrics.read_bytes()
    with metrics.open("ab") as file:
        file.write(b'{"step": 1')
    flip(metrics, 0.02)
    with pytest.raises(RunFolderError, match=r"the lines of .*metrics.jsonl up to it are not what was written"):
        go_on(killed, None)
    metrics.write_bytes(whole + b'{"step": 1')
    assert go_on(killed, None)[0].equal(uninterrupted)


def test_without_a_whole_older_checkpoint_none_is_offered(killed: Run) -> None:
    for which in ("last", "older"):
        flip(killed.checkpoint(which) / "state.safetensors")
    with pytest.raises(RunFolderError, match="cannot be restored") as caught:
        go_on(killed, None)
    assert "older checkpoint" not in caught.value.fix


def test_damaged_best_weights_are_refused_at_the_end_and_mended_by_a_resume(killed: Run) -> None:
    flip(killed.checkpoint("best") / "weights.safetensors")
    with pytest.raises(RunFolderError, match="the best weights are damaged") as caught:
        load_best(killed.checkpoint("best"), {})
    assert "give the same command again" in caught.value.fix
    go_on(killed, None)
    load_best(killed.checkpoint("best"), {})


def test_a_checkpoint_says_which_way_through_the_model_was_taken(killed: Run, tmp_path: Path) -> None:
    assert path_of(killed) == "plain"
    assert path_of(run_in(tmp_path / "fresh")) is None


def test_another_number_of_threads_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a second resume: what counts is what the run began on."""
    run, began = run_in(tmp_path), torch.get_num_threads()
    for threads, dies_after, said in ((began, 7, 0), (began + 3, 12, 1), (began + 3, 14, 1), (began, 16, 0)):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        notes = Notes()
        with pytest.raises(Killed):
            go_on(run, dies_after, observer=notes)
        found = [note for note in notes.notes if "results may differ in the last bits" in note]
        assert len(found) == said and (dies_after == 7 or any("resumed at step" in note for note in notes.notes))
        assert all(f"the run began on {count(began, 'thread')} and goes on with {threads}" in note for note in found)
