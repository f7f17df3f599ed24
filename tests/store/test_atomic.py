"""A file or a folder appears whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from whet.errors import DiskFullError, RunError, RunFolderError
from whet.store import atomic


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def failing(code: int) -> Any:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_bytes_text_and_json_arrive_as_they_were(tmp_path: Path) -> None:
    atomic.write_bytes(tmp_path / "deep" / "a", b"\x00\xff")
    atomic.write_text(tmp_path / "b", "ü\n")
    atomic.write_json(tmp_path / "c", {"x": [1, 0.5, None, True], "ü": float("nan")})
    assert (tmp_path / "deep" / "a").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b").read_bytes() == "ü\n".encode()
    assert json.loads((tmp_path / "c").read_text("utf-8")) == {"x": [1, 0.5, None, True], "ü": None}
    assert listing(tmp_path) == ["b", "c", "deep", "deep/a"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    atomic.write_text(tmp_path / "a", "old")
    monkeypatch.setattr(os, call, failing(errno.ENOSPC))
    with pytest.raises(DiskFullError, match=r"a: the disk is full: [\d.]+ MB are free; nothing half-written") as caught:
        atomic.write_text(tmp_path / "a", "new")
    assert caught.value.exit_code == 2
    assert (tmp_path / "a").read_text() == "old"
    assert listing(tmp_path) == ["a"]


def test_ctrl_c_in_the_middle_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_text(tmp_path / "a", "new")
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.EACCES, RunFolderError), (errno.EROFS, RunFolderError), (errno.EIO, RunError)]
)
def test_other_refusals_of_the_system_name_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception]
) -> None:
    monkeypatch.setattr(os, "fsync", failing(code))
    with pytest.raises(kind, match="cannot write"):
        atomic.write_text(tmp_path / "a", "new")
    assert listing(tmp_path) == []


def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file" / "a", tmp_path / "file" / "b" / "a"):
        with pytest.raises(RunFolderError, match="cannot write"):
            atomic.write_text(target, "new")


def test_a_new_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    final = tmp_path / "last"
    for number in range(3):
        with atomic.new_folder(final) as folder:
            (folder / f"{number}").write_text("x")
        assert listing(tmp_path) == ["last", f"last/{number}"]


def test_a_failure_while_a_folder_is_written_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final = tmp_path / "last"
    with atomic.new_folder(final) as folder:
        (folder / "old").write_text("x")
    with pytest.raises(DiskFullError), atomic.new_folder(final) as folder:
        (folder / "half").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(DiskFullError), atomic.new_folder(final):
        raise RuntimeError("I/O error: No space left on device (os error 28)")  # what safetensors says
    monkeypatch.setattr(atomic, "free_bytes", lambda _: 100)
    with pytest.raises(DiskFullError), atomic.new_folder(final):
        raise RuntimeError("unexpected pos 576 vs 534")  # what torch.save says
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="another reason"), atomic.new_folder(final):
        raise RuntimeError("another reason")
    with pytest.raises(ZeroDivisionError), atomic.new_folder(final):
        _ = 1 / 0
    assert listing(tmp_path) == ["last", "last/old"]


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_at_any_rename_leaves_a_whole_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """The n-th rename never happens; afterwards the folder is the old or the new one, never none and never a mix."""
    final, temporary = tmp_path / "last", tmp_path / "fresh"
    final.mkdir()
    (final / "old").write_text("x")
    temporary.mkdir()
    (temporary / "new").write_text("x")
    real, done = os.rename, []

    class Killed(BaseException):
        pass

    def rename(*names: Any) -> None:
        if len(done) == renames:
            raise Killed
        done.append(names)
        real(*names)

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(atomic, "remove", failing(errno.EIO) if renames == 2 else atomic.remove)
    with pytest.raises((Killed, RunError)):
        atomic.replace_folder(temporary, final)
    monkeypatch.undo()
    atomic.recover_folder(final)
    assert listing(final) == (["new"] if renames == 2 else ["old"])
    assert not atomic.old_name(final).exists()


def test_a_torn_last_line_is_removed_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    atomic.append_line(path, "one")
    with open(path, "a") as file:
        file.write('{"torn')
    atomic.append_line(path, "two")
    assert path.read_text() == "one\ntwo\n"


def test_a_line_that_does_not_fit_on_the_disk_is_not_left_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    atomic.append_line(path, "one")
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:2]))
    with pytest.raises(DiskFullError):
        atomic.append_line(path, "two")
    assert path.read_text() == "one\n"


def test_hashes_are_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("ü".encode() * 100_000)
    assert atomic.sha256_file(tmp_path / "a") == hashlib.sha256("ü".encode() * 100_000).hexdigest()
    assert atomic.sha256_text("ü") == hashlib.sha256("ü".encode()).hexdigest()


def test_values_become_plain() -> None:
    numpy = pytest.importorskip("numpy")

    @dataclasses.dataclass
    class Point:
        x: Any

    value = {1: Point(numpy.float32(0.5)), "a": numpy.arange(2), "b": {2, 1}, "c": Path("x"), "d": (float("inf"),)}
    assert atomic.plain(value) == {"1": {"x": 0.5}, "a": [0, 1], "b": [1, 2], "c": "x", "d": [None]}
    with pytest.raises(TypeError, match="no JSON form for object"):
        atomic.plain(object())
