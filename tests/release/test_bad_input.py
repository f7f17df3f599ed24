"""What stands in the way of an export is told in one error, and nothing half-written is left."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import whet
from tests.forked import Forked
from whet.errors import DiskFullError, ModelError, RunFolderError
from whet.model.base import NANO
from whet.release import exporting
from whet.release.forms.adapter import AdapterForm
from whet.release.opening import tuned_of
from whet.release.tensor_files import TensorWriter
from whet.store.run import Run

EARLIER = '{"form": "adapter", "run": "made"}'
ENOUGH = 1 << 40


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def changed_facts(run: Run, **facts: Any) -> None:
    path = run.model / "whet.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | facts), "utf-8")
    (run.model / "SHA256SUMS").unlink()


# ---- the run


def test_a_name_that_is_nearly_a_run(sound: Run) -> None:
    with pytest.raises(RunFolderError, match="there is no run 'maed' in .* did you mean 'made'"):
        whet.export("maed", "adapter", run_root=sound.folder.parent)


def test_a_run_without_a_model(own: Run) -> None:
    (own.model / "whet.json").unlink()
    with pytest.raises(RunFolderError, match="has no model yet"):
        whet.export(own, "adapter")


def test_a_run_that_was_stopped_after_its_training(own: Run) -> None:
    """Its model may still be brought nearer to its base."""
    own.set_status("evaluating")
    with pytest.raises(RunFolderError, match="did not finish, it is interrupted") as error:
        whet.export(own, "adapter")
    assert "run the command that made it again" in error.value.fix and not (own.folder / "release").exists()
    own.write_json("evaluation.json", {})  # as it is where only a later measurement was stopped
    assert tuned_of(own).name == own.name


def test_damaged_weights(own: Run) -> None:
    path = own.model / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(RunFolderError, match="damaged"):
        whet.export(own, "adapter")


@pytest.mark.parametrize("kept", [4, 4000])
def test_weights_that_were_cut(own: Run, kept: int) -> None:
    """Within the header or behind it; also where the run is of a version that kept no checksums."""
    path = own.model / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RunFolderError, match="missing, damaged"):
        whet.export(own, "adapter")
    changed_facts(own, weights_sha256={})
    with pytest.raises(ModelError, match="this file of weights is damaged") as error:
        whet.export(own, "adapter", out=own.folder.parent / "out")
    assert error.value.where == str(path) and not (own.folder.parent / "out").exists()


@pytest.mark.parametrize("text", ['{"format": 1, "ca', '{"format": 0}'])
def test_golden_answers_that_are_damaged(own: Run, text: str) -> None:
    (own.folder / "golden.json").write_text(text, "utf-8")
    with pytest.raises(RunFolderError, match="golden.json: this file is damaged") as error:
        whet.export(own, "adapter", out=own.folder.parent / "out")
    assert "remove this file" in error.value.fix and names(own.folder.parent) == [own.name]


# ---- its base


def test_a_base_that_moved(own: Run) -> None:
    changed_facts(own, base="/nowhere/base")
    with pytest.raises(ModelError, match="has moved"):
        whet.export(own, "adapter")


def test_a_base_with_other_weights(own: Run) -> None:
    changed_facts(own, base_fingerprint="0" * 64)
    with pytest.raises(ModelError, match="has other weights"):
        whet.export(own, "merged")


def test_a_base_whose_file_was_cut_or_is_gone(own: Run, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(NANO, base)
    changed_facts(own, base=str(base))
    os.truncate(base / "model.safetensors", 1_000_000)
    with pytest.raises(ModelError, match="this file of weights is damaged") as error:
        whet.export(own, "merged", out=tmp_path / "out")
    assert error.value.where == str(base / "model.safetensors")
    (base / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="base's weights cannot be read"):
        whet.export(own, "merged", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- the folder


def test_a_folder_or_a_file_in_the_way_stays(sound: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(RunFolderError, match="in the way"):
        whet.export(sound, "adapter", out=out)
    with pytest.raises(RunFolderError, match="in the way"):
        whet.export(sound, "adapter", out=out / "thesis.txt")
    with pytest.raises(RunFolderError, match="a file is where a folder is needed"):
        whet.export(sound, "adapter", out=out / "thesis.txt" / "out")
    assert names(out) == ["thesis.txt"] and (out / "thesis.txt").read_text("utf-8") == "mine"


@pytest.mark.parametrize("text", ["{}", "[]", "v1.2", '{"version": "1.2", "run": "ci"}'])
def test_a_release_of_something_else_stays(sound: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "release.json").write_text(text, "utf-8")
    with pytest.raises(RunFolderError, match="in the way"):
        whet.export(sound, "adapter", out=tmp_path)
    assert names(tmp_path) == ["release.json"]


def test_a_link_stays_one(sound: Run, tmp_path: Path) -> None:
    (tmp_path / "disk" / "out").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "out")
    told = whet.export(sound, "adapter", out=tmp_path / "out")
    assert (tmp_path / "out").is_symlink() and (tmp_path / "disk" / "out" / "adapter_config.json").is_file()
    assert told["folder"] == str(tmp_path / "disk" / "out") and names(tmp_path / "disk") == ["out"]


@pytest.mark.parametrize("leads_to", ["nowhere", "out"])
def test_a_link_that_leads_nowhere(sound: Run, tmp_path: Path, leads_to: str) -> None:
    (tmp_path / "out").symlink_to(tmp_path / leads_to)
    with pytest.raises(RunFolderError, match="this link leads nowhere"):
        whet.export(sound, "adapter", out=tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_a_folder_within_what_is_exported(own: Run) -> None:
    before = names(own.model)
    with pytest.raises(RunFolderError, match="in the way"):
        whet.export(own, "adapter", out=own.model)
    for inside in (own.model / "out", own.folder / "checkpoints" / ".." / "model" / "a" / "b", NANO / "out"):
        with pytest.raises(RunFolderError, match="an export may not lie in"):
            whet.export(own, "merged", out=inside)
    assert names(own.model) == before and not (NANO / "out").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder in which root cannot write either")
def test_a_folder_that_can_only_be_read(sound: Run) -> None:
    with pytest.raises(RunFolderError, match="cannot write there") as error:
        whet.export(sound, "adapter", out=Path("/proc/out"))
    assert error.value.where == "/proc" and "out=FOLDER" in error.value.fix


def test_a_folder_that_another_process_writes(sound: Run, tmp_path: Path) -> None:
    theirs = tmp_path / ".out.0123abcd.tmp"
    theirs.mkdir()
    handle = os.open(theirs, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(RunFolderError, match="another process writes an export there just now"):
        whet.export(sound, "adapter", out=tmp_path / "out")
    os.close(handle)
    assert names(tmp_path) == [theirs.name]


def test_a_process_that_came_while_it_was_asked(sound: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked before either wrote: the later one sees the other then."""
    theirs = tmp_path / ".out.0123abcd.tmp"

    def comes(out: Path) -> None:
        theirs.mkdir()
        fcntl.flock(os.open(theirs, os.O_RDONLY), fcntl.LOCK_EX)

    monkeypatch.setattr(exporting, "clear_leftovers", comes)
    with pytest.raises(RunFolderError, match="another process writes an export there just now"):
        whet.export(sound, "adapter", out=tmp_path / "out")
    assert names(tmp_path) == [theirs.name]


# ---- the disk


def test_no_room(sound: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "free_bytes", lambda path: 1000)
    with pytest.raises(DiskFullError, match=r"there is no room for it: 0\.\d\d GB are needed and 0\.00 GB are free"):
        whet.export(sound, "merged", out=tmp_path / "out")
    assert names(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte, of which a program that came in between has taken what was free."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full_halfway(sound: Run, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "free_bytes", lambda path: ENOUGH)
    (small_disk / "out").mkdir()
    (small_disk / "out" / "release.json").write_text(EARLIER, "utf-8")
    with pytest.raises(DiskFullError, match="the disk is full: .* nothing half-written was left") as error:
        whet.export(sound, "merged", out=small_disk / "out")
    assert "out=FOLDER" in error.value.fix and error.value.where == str(small_disk / "out")
    assert names(small_disk) == ["out"] and (small_disk / "out" / "release.json").read_text("utf-8") == EARLIER


def test_the_same_where_nobody_can_mount(sound: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, written = TensorWriter.write, []

    def full(self: TensorWriter, name: str, tensor: Any) -> None:
        if len(written) == 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(name)
        whole(self, name, tensor)

    monkeypatch.setattr(TensorWriter, "write", full)
    with pytest.raises(DiskFullError, match="the disk is full"):
        whet.export(sound, "merged", out=tmp_path / "out")
    assert len(written) == 7 and names(tmp_path) == []


def test_a_file_that_may_not_become_so_large(sound: Run, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(DiskFullError, match="a file would become larger"):
            whet.export(sound, "merged", out=tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == []


# ---- interrupted


def test_control_c_leaves_what_was_there(sound: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "release.json").write_text(EARLIER, "utf-8")
    whole = AdapterForm.export

    def interrupted(self: AdapterForm, model: Any, kind: Any, out: Path, observer: Any) -> Any:
        whole(self, model, kind, out, observer)
        assert (out / "adapter_model.safetensors").is_file()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(AdapterForm, "export", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            whet.export(sound, "adapter", out=tmp_path / "out")
    finally:
        signal.signal(signal.SIGINT, before)
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["release.json"]


def test_a_killed_export_is_made_by_the_same_command(sound: Run, tmp_path: Path) -> None:
    out = tmp_path / "to" / "out"
    theirs = out.parent / ".theirs.0123abcd.tmp"
    export = Forked(["export", str(sound.folder), "--to", "adapter", "--out", str(out)], tmp_path / "said")
    until = time.monotonic() + 120
    while export.running() and time.monotonic() < until:
        if list(out.parent.glob(".out.*.tmp/adapter_model.safetensors")):
            break
        time.sleep(0.01)
    export.kill()
    (left,) = out.parent.iterdir()
    assert left.name.startswith(".out.") and not out.exists(), (tmp_path / "said").read_text("utf-8")

    theirs.mkdir()
    for old in (left, theirs):
        os.utime(old, (1, 1))
    assert whet.export(sound, "adapter", out=out)["proved"]
    assert names(out.parent) == [theirs.name, "out"], "what is not ours stays"
