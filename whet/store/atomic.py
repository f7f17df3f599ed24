"""Files and folders appear whole or not at all: a temporary name beside the target, fsync, rename."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from whet.errors import DiskFullError, RunError, RunFolderError, WhetError
from whet.store.leftovers import held, leftovers

FULL = {errno.ENOSPC, errno.EDQUOT}
NEARLY_FULL = 1 << 20
"""Bytes: with less than this left, an unclear failure to write is taken for a full disk."""
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
REFUSED |= {errno.ENOENT, errno.ENODEV, errno.EINVAL}


def write_text(path: Path | str, text: str) -> None:
    """Writes UTF-8. Raises DiskFullError or RunFolderError; the old file is then untouched."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: object) -> None:
    """Writes indented JSON. NaN and infinity become null, because JSON has neither."""
    write_text(path, json_text(value))


def json_text(value: object) -> str:
    """What `write_json` writes."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n"


def write_bytes(path: Path | str, data: bytes) -> None:
    """Raises DiskFullError or RunFolderError; the old file is then untouched and no temporary one is left."""
    write_pieces(path, (data,))


def write_pieces(path: Path | str, pieces: Iterable[bytes], before: Callable[[], None] | None = None) -> None:
    """`write_bytes` for what is made bit by bit and need not be in memory whole. `before` is called when all is
    written, and before the file appears."""
    path = Path(path)
    temporary = temporary_name(path)
    with naming_disk_errors(path):
        try:
            make_folder(path.parent)
            with open(temporary, "wb") as file, held(temporary):
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())

            if before:
                before()
            os.replace(temporary, path)
        except BaseException:
            remove(temporary)
            raise
        sync_folder(path.parent)


@contextmanager
def new_folder(final: Path | str, older: Path | None = None) -> Iterator[Path]:
    """Gives an empty temporary folder that replaces `final` when the block ends well, and vanishes when it does not.
    What `final` was before becomes `older`, where that is given.

    Use it for checkpoints and models: whatever writes inside (torch.save, safetensors), a full disk
    becomes a DiskFullError and the folder that was there before stays.
    """
    final = Path(final)
    temporary = temporary_name(final)

    try:
        make_folder(final.parent)
        temporary.mkdir()

        with held(temporary):
            yield temporary
        replace_folder(temporary, final, older)
    except BaseException as error:
        known = disk_error(error, final)  # before the removal, while the disk is still full
        remove(temporary)

        if known:
            raise known from error

        raise


def replace_folder(temporary: Path, final: Path, older: Path | None = None) -> None:
    """Makes `temporary` take the place of `final`. After a kill at any instant `recover_folder(final)` finds a
    whole folder, the new one or the old one; with `older`, where the old one is kept, it may be found there."""
    temporary, final = Path(temporary), Path(final)
    with naming_disk_errors(final):
        mode = temporary.stat().st_mode & 0o666  # as the umask has it; safetensors writes 0600 whatever that is
        for folder, _, names in os.walk(temporary):
            for name in names:
                os.chmod(Path(folder) / name, mode)
                sync_file(Path(folder) / name)
            sync_folder(Path(folder))

        recover_folder(final)
        old = older or old_name(final)

        if final.exists():
            if older is not None:
                remove(older)
            os.rename(final, old)

        os.rename(temporary, final)
        sync_folder(final.parent)

        if older is None:
            remove(old)


def recover_folder(final: Path) -> None:
    """Finishes a `replace_folder` that was killed between its two renames."""
    old = old_name(final)
    if not old.exists():
        return
    if final.exists():
        remove(old)
    else:
        os.rename(old, final)


def append_line(path: Path, line: str) -> None:
    """Appends one line with a single write, so that lines of two writers never mix.

    A torn last line, left by a kill in the middle of a write, is removed first.
    """
    with naming_disk_errors(path):
        make_folder(path.parent)
        with open(path, "a+b") as file:
            drop_torn_line(file)
            start = file.seek(0, os.SEEK_END)
            data = line.encode("utf-8") + b"\n"

            try:
                if os.write(file.fileno(), data) != len(data):
                    raise OSError(errno.ENOSPC, "only a part of the line fitted")
            except OSError:
                file.truncate(start)
                raise


def drop_torn_line(file: Any) -> None:
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)


@contextmanager
def naming_disk_errors(path: Path | str) -> Iterator[None]:
    """Turns what the operating system says while `path` is written into one of Whet's errors."""
    try:
        yield
    except Exception as error:
        known = disk_error(error, Path(path))
        if known:
            raise known from error
        raise


def disk_error(error: BaseException, path: Path) -> WhetError | None:
    """What the system meant, or None for an error that is not about the disk.

    torch.save and safetensors report a full disk in errors of their own, with many wordings.
    """
    if isinstance(error, OSError):
        return storage_error(error, path)
    if "File too large" in str(error):
        return file_too_large(path)

    said_so = "No space left" in str(error)
    if said_so or (isinstance(error, RuntimeError) and free_bytes(path) < NEARLY_FULL):
        return disk_full(path)
    return None


def storage_error(error: OSError, path: Path) -> WhetError | None:
    if error.errno in FULL:
        return disk_full(path)
    if error.errno == errno.EFBIG:
        return file_too_large(path)
    reason = (error.strerror or str(error)).lower()

    if error.errno in REFUSED:
        fix = "choose a folder that you may write to, for example --runs ~/whet-runs"
        return RunFolderError(f"cannot write: {reason}", where=str(path), fix=fix)
    if error.errno == errno.EIO:
        return RunError(
            f"cannot write: {reason}", where=str(path), fix="check the disk, then run the same command again"
        )

    return None


def disk_full(path: Path) -> DiskFullError:
    free = free_bytes(path)
    return DiskFullError(
        f"the disk is full: {free / 1e6:.1f} MB are free; nothing half-written was left",
        where=str(path),
        fix="free some space or choose another folder with --runs, then run the same command again to resume",
    )


def file_too_large(path: Path) -> DiskFullError:
    return DiskFullError(
        "a file would become larger than this shell or this disk allows; nothing half-written was left",
        where=str(path),
        fix="lift the limit (ulimit -f unlimited) or choose another disk with --runs, then run the same command again",
    )


def free_bytes(path: Path) -> int:
    """Free bytes on the disk that holds `path`, which need not exist yet."""
    existing = next((p for p in [path.absolute(), *path.absolute().parents] if p.exists()), Path("/"))
    return shutil.disk_usage(existing).free


def make_folder(folder: Path) -> None:
    with naming_disk_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise NotADirectoryError(errno.ENOTDIR, "a file is where a folder is needed") from error


def sync_file(path: Path) -> None:
    with open(path, "r+b" if os.name == "nt" else "rb") as file:  # Windows writes out only what may be written
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` survive a power cut, where the system can (Windows cannot open a folder)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path, deep: bool = False) -> int:
    """Removes what a killed process left in `folder`, with `deep` also in those below it; gives its bytes. What cannot
    be removed stays."""
    freed = 0
    for path in leftovers(folder, deep):
        with suppress(OSError):
            if path.is_dir():
                inside = [one for one in path.rglob("*") if one.is_file()]
            else:
                inside = [path]

            size = sum(one.stat().st_size for one in inside)
            remove(path)
            freed += size

    return freed


def temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def old_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def remove(path: Path) -> None:
    """Removes a file or a folder; absent is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.parent.is_dir():
        path.unlink(missing_ok=True)


def sha256_file(path: Path | str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def plain(value: Any) -> Any:
    """The value in JSON's own types: dataclasses, pydantic models, paths, sets and numpy scalars converted.

    NaN and infinity become null. Raises TypeError for what has no plain form.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))

    for convert in ("model_dump", "tolist"):  # pydantic models; numpy scalars and arrays
        if hasattr(value, convert):
            return plain(getattr(value, convert)())

    raise TypeError(f"no JSON form for {type(value).__name__}: {value!r}")
