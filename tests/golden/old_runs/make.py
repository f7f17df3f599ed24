"""Packs a small run of each method, as this version of whet leaves it: `python -m tests.golden.old_runs.make FILE`.

The archive beside this file was made at the version that its name tells, and is not made again: it stands for the runs
that users have. A later version gets an archive of its own beside it, once what a run holds has changed.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.make import working_folder
from tests.golden.places import find
from tests.golden.stillness import stand_still

METHODS = ("sft", "sft-kept", "sft-retrieval", "pretrain", "dpo", "kto", "reward", "classify",
           "grpo", "rloo", "ppo", "distil", "bake")  # fmt: skip
STOPPED = "stopped"
PREFIX = "whet-old-"
SMALL: dict[str, Any] = {"adapter": {"kind": "lora", "rank": 1, "targets": ["5.self_attn.k_proj"]}, "steps": 2,
                         "evaluate.every": 1, "split.test": 4}  # fmt: skip
"""Weights do not shrink when they are packed: one adapted matrix, of which a model with a head keeps the sum."""
WHOLE = "model.safetensors"
"""Of a model with a head. Packed is what is not the bundled base's; `whole` puts the rest back."""
LEFT_OUT = ("cache", "asked.jsonl", "run.lock", "models.lock")


def make(file: Path) -> None:
    """Tunes all of them in an empty folder, and packs it with its data."""
    import whet
    from tests.golden.runs import Listener, Stopped

    with tempfile.TemporaryDirectory(prefix=PREFIX) as place:
        folder = working_folder(Path(place).resolve() / "work")
        for name in METHODS:
            whet.tune(f"{name}.yaml", run_root="runs", name=name, **SMALL)
            print(f"  {name}", file=sys.stderr)
        try:
            more = {"checkpoint_every": 1, "steps": 4}
            whet.tune("sft.yaml", run_root="runs", name=STOPPED, observer=Listener(2), **(SMALL | more))
        except Stopped:
            pack(folder, file)
        else:
            raise AssertionError("the last run was to be stopped")


def pack(folder: Path, file: Path) -> None:
    """Without caches, and of finished runs without checkpoints; no times and no owner."""
    with tarfile.open(file, "w:xz", preset=9) as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            finished = "checkpoints" in name.parts and STOPPED not in name.parts
            if path.is_file() and not finished and not set(LEFT_OUT) & set(name.parts):
                data = own_part(path.read_bytes()) if path.name == WHOLE else path.read_bytes()
                entry = tarfile.TarInfo(str(name))
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def unpack(file: Path, folder: Path) -> None:
    """The runs as they were, in `folder`. Their data lies there, and where their recipes name it by its whole path: in
    the temporary folder in which they were made."""
    with tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")
    for path in folder.rglob(WHOLE):
        path.write_bytes(whole(path.read_bytes()))

    first = folder / "runs" / METHODS[0] / "run.json"
    made_in = Path(json.loads(first.read_text("utf-8"))["working_folder"])
    assert made_in.parts[1] == "tmp" and made_in.parts[2].startswith(PREFIX)
    lay_data(folder / "data", made_in / "data")


def lay_data(source: Path, target: Path) -> None:
    """A copy that other processes see whole or not at all."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = Path(tempfile.mkdtemp(dir=target.parent)) / target.name
    shutil.copytree(source, copy)
    try:
        copy.rename(target)
    except OSError:  # another process was first
        assert target.is_dir()
    shutil.rmtree(copy.parent)


def own_part(data: bytes) -> bytes:
    """Weights in which zeros stand for the tensors that are the base's own: those shrink to nothing."""
    base, found = of_base(), bytearray(data)
    for name, (begin, end) in places(data).items():
        if data[begin:end] == base.get(name):
            found[begin:end] = bytes(end - begin)
    return bytes(found)


def whole(data: bytes) -> bytes:
    """The reverse of `own_part`: a tensor of zeros is the base's own."""
    base, found = of_base(), bytearray(data)
    for name, (begin, end) in places(data).items():
        if name in base and not any(data[begin:end]):
            found[begin:end] = base[name]
    return bytes(found)


def of_base() -> dict[str, bytes]:
    """The bytes of the bundled base's tensors in float32; it stands in bfloat16, the upper half of that."""
    data = (find("nano") / WHOLE).read_bytes()
    halves = {name: np.frombuffer(data[begin:end], "<u2") for name, (begin, end) in places(data).items()}
    return {name: (half.astype("<u4") << 16).tobytes() for name, half in halves.items()}


def places(data: bytes) -> dict[str, tuple[int, int]]:
    """Where the bytes of each tensor lie in a file of safetensors."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {name: (start + entry["data_offsets"][0], start + entry["data_offsets"][1])
            for name, entry in header.items() if name != "__metadata__"}  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("one file is needed: python -m tests.golden.old_runs.make FILE.tar.xz")
    target = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as settings:
        stand_still(Path(settings))
        make(target)
    print(f"{target.stat().st_size:,} bytes")
