"""Tensors in safetensors files, read and written one at a time: in memory lies one tensor, however large the model.

The format is a length, a header in JSON, and the tensors' bytes in the order of the header
(https://huggingface.co/docs/safetensors). safetensors itself writes only what is in memory whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from whet.errors import ModelError
from whet.text.normalise import one_line

NAMES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
DTYPES = {name: dtype for dtype, name in NAMES.items()}
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Shaped:
    """A tensor that is to be written."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def shapes_in(file: Path | str) -> dict[str, Shaped]:
    """What a file holds, in its order, without reading it. Raises ModelError for one that is cut or damaged."""
    try:
        with safe_open(file, framework="pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}
            return {name: Shaped(DTYPES[one.get_dtype()], tuple(one.get_shape())) for name, one in slices.items()}
    except SafetensorError as error:
        what, fix = f"this file of weights is damaged: {one_line(str(error))}", "restore it, or fetch it again"
        raise ModelError(what, where=str(file), fix=fix) from error


def read_tensor(file: Path | str, name: str) -> Tensor:
    """By `pread`: a mapping would count as memory of this process until it is closed."""
    with safe_open(file, framework="pt", backend="pread") as opened:
        return opened.get_tensor(name)


class TensorWriter:
    """Writes the tensors of one file, each once, in the order that was planned."""

    def __init__(self, file: BinaryIO, plan: Mapping[str, Shaped]) -> None:
        self.file, self.plan, self.open = file, plan, list(plan)
        header, start = {"__metadata__": {"format": "pt"}}, 0
        for name, one in plan.items():
            place = [start, start + one.bytes]
            header[name] = {"dtype": NAMES[one.dtype], "shape": list(one.shape), "data_offsets": place}  # type: ignore
            start += one.bytes

        text = json.dumps(header).encode("utf-8")
        text += b" " * (-len(text) % 8)
        file.write(len(text).to_bytes(8, "little") + text)

    def write(self, name: str, tensor: Tensor) -> None:
        """Raises ValueError for another tensor than the next of the plan, which only a programming error can cause."""
        wanted = self.plan[name]
        if name != self.open[0] or tuple(tensor.shape) != wanted.shape:
            raise ValueError(f"{self.open[0]} comes next, and not {name} of shape {tuple(tensor.shape)}")
        held = tensor.detach().to(device="cpu", dtype=wanted.dtype).contiguous()
        self.file.write(held.reshape(-1).view(torch.uint8).numpy().data)
        del self.open[0]


@contextmanager
def writing(path: Path, plan: Mapping[str, Shaped]) -> Iterator[TensorWriter]:
    """Raises ValueError where the block leaves tensors out."""
    with path.open("wb") as file:
        writer = TensorWriter(file, plan)
        yield writer
    if writer.open:
        raise ValueError(f"{len(writer.open)} tensors were not written, the first is {writer.open[0]}")


def write_index(folder: Path, plans: Mapping[str, Mapping[str, Shaped]]) -> None:
    """Which file holds which tensor, where there are several."""
    if len(plans) < 2:
        return
    places = {name: file for file, plan in plans.items() for name in plan}
    size = sum(one.bytes for plan in plans.values() for one in plan.values())
    text = json.dumps({"metadata": {"total_size": size}, "weight_map": dict(sorted(places.items()))}, indent=2)
    (folder / INDEX).write_text(text, "utf-8")
