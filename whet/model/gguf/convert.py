"""A GGUF file unpacked into a folder that transformers loads: config, weights as safetensors, tokenizer.

The folder lies in Whet's cache under the file's checksum, so that each file is unpacked once, and another content never
gets the same folder. Tensors are read, unpacked and written one after another; a kill leaves nothing half-written.

What is stored as a float keeps its type. What is quantised to fewer than 8 bits becomes bfloat16: its own rounding
hides that of bfloat16 (1 part in 512 at most). That of 8 bits does not, and such a file becomes float32, which holds it
exactly.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from whet.errors import DiskFullError, RunFolderError
from whet.model.gguf.architecture import FREQUENCIES, Placed, config_of, placed_tensors
from whet.model.gguf.header import COPY_AGAIN, Header, Stored, package, read_header, refusal
from whet.model.size_limits import refuse_absurd_sizes
from whet.store.atomic import free_bytes, make_folder, new_folder, remove, sha256_file, sweep, write_json
from whet.store.home import cache_home
from whet.store.lock import Lock

FORM = 2
"""Of the unpacked folder; a change of what is written gets a new number, and with it another folder."""
FACTS = "gguf.json"
FLOATS = {0: torch.float32, 1: torch.float16, 30: torch.bfloat16}
"""Types of ggml.h that are no blocks of quantised numbers."""
OF_8_BITS = {8, 9, 15}
"""Q8_0, Q8_1, Q8_K."""
SHARD = 2 << 30
"""Bytes of a file of weights, about: what is held in memory at once."""
MOST_KEPT = 64 << 30
"""Bytes of all unpacked folders; beyond, those used longest ago are removed. They can be made again."""
UNNAMED = (
    "its tokenizer splits text by llama.cpp's own rule, because who made the file did not know the model's: some texts "
    "may become other tokens than those that the model was trained with"
)
SPACED = (
    "its tokenizer puts a space before the text behind each mark, as llama.cpp does; a few models (Mistral 0.3) were "
    "trained without it, which the file does not tell"
)
WRITABLE = "set WHET_CACHE to a folder that you may write to"
PATIENCE = 3600.0
"""Seconds to wait for another process that unpacks the same file."""


def unpacked(path: Path) -> Path:
    """The folder of a GGUF file, made now where it is not there yet.

    Raises ModelError for a file that is not read, DiskFullError where the unpacked weights would not fit.
    """
    seen = _seen(path)
    digest = _digest(path.absolute(), seen)

    folder = cache_home() / "gguf" / f"{digest[:32]}-{FORM}"
    if not is_whole(folder, digest):
        header = read_header(path)
        _refuse_unwritable(folder.parent)

        with _alone(folder, digest):
            if not is_whole(folder, digest):
                _make(header, folder, digest, seen)

    with suppress(OSError):  # somebody else's cache is not kept in order by this
        os.utime(folder / FACTS)
    return folder


def _seen(path: Path) -> tuple[int, ...]:
    """Tells one content of a path from another, without reading it."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=16)
def _digest(path: Path, seen: tuple[int, ...]) -> str:
    """sha256 of a file whose head is whole: another is refused before all its bytes are read."""
    read_header(path)
    return sha256_file(path)


def is_whole(folder: Path, digest: str) -> bool:
    """Whether a folder holds what was unpacked from the file with this checksum."""
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        return facts["sha256"] == digest and all((folder / n).stat().st_size == s for n, s in facts["files"].items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def cost(path: Path) -> str:
    """What it means to train on such a file, in a sentence for people."""
    header = read_header(path)
    told = {key: header.metadata.get(f"tokenizer.ggml.{key}") for key in ("model", "pre", "add_space_prefix")}
    unnamed = told["model"] == "gpt2" and told["pre"] == "default"
    spaced = told["model"] == "llama" and told["add_space_prefix"] is not False
    return _cost(header, path) + (f"; {UNNAMED}" if unnamed else "") + (f"; {SPACED}" if spaced else "")


def _cost(header: Header, path: Path) -> str:
    names = type_names(header)
    folder = unpacked(path)
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    dtype = str(stored_dtype(header)).removeprefix("torch.")

    if set(names) <= {"F32", "F16", "BF16"}:
        return f"the base is a GGUF file, unpacked to {folder} ({size / 1e9:.2f} GB in {dtype})"
    packed = " and ".join(name for name in names if name not in ("F32", "F16", "BF16"))
    return (
        f"the base is a GGUF file in {packed} ({header.path.stat().st_size / 1e9:.2f} GB), unpacked to {dtype} "
        f"({size / 1e9:.2f} GB): memory is that of an unpacked model, and the error of its quantisation stays in the "
        "base and in what is tuned from it; the original weights are the better base"
    )


def type_names(header: Header) -> list[str]:
    """Types of the tensors that are matrices, the most used first."""
    kinds = [stored.kind for stored in header.tensors.values() if len(stored.shape) > 1]
    types = package().GGMLQuantizationType
    return [types(kind).name for kind in sorted(set(kinds), key=lambda kind: -kinds.count(kind))]


def stored_dtype(header: Header) -> torch.dtype:
    """The type that holds all matrices as they are; bfloat16 where one is quantised to fewer than 8 bits."""
    kinds = {stored.kind for stored in header.tensors.values() if len(stored.shape) > 1}
    if not kinds <= FLOATS.keys() | OF_8_BITS:
        return torch.bfloat16
    found = {FLOATS.get(kind, torch.float32) for kind in kinds}
    if len(found) == 1:
        return found.pop()
    return torch.float32


class _alone:
    """The lock of one folder's making; another process that makes the same is waited for."""

    def __init__(self, folder: Path, digest: str) -> None:
        self.lock = Lock(folder.with_name(f"{folder.name}.lock"), f"the unpacking of {folder}")
        self.done = lambda: is_whole(folder, digest)

    def __enter__(self) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.lock.__enter__()
                return
            except RunFolderError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def __exit__(self, *_: object) -> None:
        self.lock.__exit__()


def _make(header: Header, folder: Path, digest: str, seen: tuple[int, ...]) -> None:
    sweep(folder.parent)
    with new_folder(folder) as made:
        convert(header, made)
        if _seen(header.path) != seen:
            raise refusal(header.path, "it was changed while it was unpacked", "give the same command again")
        sizes = {file.name: file.stat().st_size for file in sorted(made.iterdir())}
        write_json(made / FACTS, {"file": header.path.name, "sha256": digest, "files": sizes})
    _prune(folder)


def convert(header: Header, folder: Path) -> None:
    """Write config, tokenizer and weights into a folder that is there. Raises ModelError, DiskFullError."""
    from transformers import AutoConfig, GenerationConfig

    from whet.model.gguf.tokenizer import save_tokenizer

    frequencies = header.tensors.get(FREQUENCIES)
    told = config_of(header, unpack(header, frequencies).flatten().tolist() if frequencies else None)
    refuse_absurd_sizes(told, str(header.path))
    tensors, dtype = placed_tensors(header, told), stored_dtype(header)
    _refuse_full_disk(folder, sum(_numbers(placed) for placed in tensors) * dtype.itemsize)
    config = AutoConfig.for_model(**told)
    config.architectures = [ARCHITECTURES[config.model_type]]
    config.dtype = dtype
    config.save_pretrained(folder)
    GenerationConfig.from_model_config(config).save_pretrained(folder)
    save_tokenizer(header, told["vocab_size"], folder)
    _save_weights(header, tensors, dtype, folder)


ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}


def _numbers(placed: Placed) -> int:
    return int(np.prod(placed.stored.shape, dtype=np.int64))


def _refuse_unwritable(cache: Path) -> None:
    try:
        make_folder(cache)
    except RunFolderError as error:
        raise RunFolderError(error.what, where=error.where, fix=WRITABLE) from error
    if not os.access(cache, os.W_OK):
        raise RunFolderError("a GGUF file cannot be unpacked into this folder", where=str(cache), fix=WRITABLE)


def _refuse_full_disk(folder: Path, needed: int) -> None:
    if (free := free_bytes(folder)) < needed:
        raise DiskFullError(
            f"the unpacked weights take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free",
            where=str(folder.parent),
            fix="free some space, or set WHET_CACHE to a folder on another disk",
        )


def _save_weights(header: Header, tensors: Sequence[Placed], dtype: torch.dtype, folder: Path) -> None:
    """safetensors, in parts of about two gigabytes, each written before the next is unpacked."""
    parts = list(_parts(tensors, dtype.itemsize))
    # fmt: skip
    if len(parts) == 1:
        names = ["model.safetensors"]
    else:
        names = [f"model-{n:05d}-of-{len(parts):05d}.safetensors" for n in range(1, len(parts) + 1)]

    for name, part in zip(names, parts, strict=True):
        weights = {placed.name: _turned(unpack(header, placed.stored), placed.heads).to(dtype) for placed in part}
        save_file({key: value.contiguous() for key, value in weights.items()}, folder / name, {"format": "pt"})

    if len(parts) > 1:
        where = {placed.name: name for name, part in zip(names, parts, strict=True) for placed in part}
        total = sum(_numbers(placed) for placed in tensors) * dtype.itemsize
        write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})


def _parts(tensors: Sequence[Placed], itemsize: int) -> Iterator[list[Placed]]:
    part, size = [], 0
    for placed in tensors:
        more = _numbers(placed) * itemsize
        if part and size + more > SHARD:
            yield part
            part, size = [], 0

        part.append(placed)
        size += more

    yield part


def unpack(header: Header, stored: Stored) -> Tensor:
    """A tensor of the file in float32, or in its own type where that is a float of 16 bits. Raises ModelError for one
    with numbers that are none."""
    gguf = package()
    raw = np.fromfile(header.path, dtype=np.uint8, count=stored.size, offset=stored.start)

    if stored.kind in FLOATS:
        found = torch.from_numpy(raw).view(FLOATS[stored.kind])
    else:
        rows = raw.reshape(-1, stored.size * stored.shape[-1] // int(np.prod(stored.shape)))
        found = torch.from_numpy(gguf.quants.dequantize(rows, gguf.GGMLQuantizationType(stored.kind)))

    if not found.isfinite().all():
        raise refusal(header.path, f"the tensor {stored.name!r} holds what is no number", COPY_AGAIN)
    return found.reshape(stored.shape)


def _turned(weight: Tensor, heads: int) -> Tensor:
    """Rows of queries and keys back from llama.cpp's order (neighbours turned) to transformers' (halves)."""
    if not heads:
        return weight
    return weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).reshape(weight.shape)


def _prune(kept: Path) -> None:
    """Remove the folders used longest ago until all fit; never the one just made."""
    folders = [folder for folder in kept.parent.iterdir() if (folder / FACTS).is_file()]
    folders.sort(key=lambda folder: (folder == kept, (folder / FACTS).stat().st_mtime), reverse=True)
    total = 0
    for folder in folders:
        total += sum(file.stat().st_size for file in folder.iterdir())
        if folder != kept and total > MOST_KEPT:
            remove(folder)
