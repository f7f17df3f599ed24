"""What stands before the weights of a GGUF file: its metadata, and where each tensor lies.

The file may come from anywhere, so that no count in it is believed before it was compared with the bytes that are
there. (The reader of the package `gguf` believes them, and runs on for hours where an array names a length of 2^60.)
The layout is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from whet.errors import ModelError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Types of a value, and their forms in `struct`."""
STRING, ARRAY = 8, 9
MOST_KEYS, MOST_TENSORS, MOST_DIMENSIONS, LONGEST_NAME = 1 << 16, 1 << 20, 4, 1 << 16
MOST_NUMBERS = 1 << 40
ALIGNMENT, MOST_ALIGNMENT = 32, 1 << 20
COPY_AGAIN = "copy or download the file again"
INSTALL = 'pip install "whet[gguf]"'


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor: its shape as torch writes it, the number of its type in ggml.h, and its bytes in the file."""

    name: str
    shape: tuple[int, ...]
    kind: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Header:
    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, Stored]

    @property
    def architecture(self) -> str:
        return str(self.metadata["general.architecture"])


def read_header(path: Path) -> Header:
    """Raises ModelError without the package gguf, and for a file that is cut off, damaged or of a form unknown here."""
    kinds = block_sizes()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data).header(kinds)
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise refusal(path, f"it cannot be read: {reason}", COPY_AGAIN) from error


def refusal(path: Path, what: str, fix: str) -> ModelError:
    return ModelError(f"this GGUF file cannot be a base: {what}", where="base", value=str(path), fix=fix)


def package() -> Any:
    """The package gguf, with its quantisations. Raises ModelError without it."""
    try:
        import gguf
        import gguf.quants
    except ImportError as error:
        raise ModelError("a base in a GGUF file needs the package gguf", fix=INSTALL) from error
    return gguf


def block_sizes() -> dict[int, tuple[int, int]]:
    """Numbers in a block, and its bytes, of each type. Raises ModelError without the package gguf."""
    return {int(kind): sizes for kind, sizes in package().GGML_QUANT_SIZES.items()}


class _Reader:
    """Steps through the file; `at` is the next byte."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path, self.data, self.at = path, data, 0

    def header(self, kinds: dict[int, tuple[int, int]]) -> Header:
        if self.take(4, "the first four bytes") != MAGIC:
            raise self.damaged("it does not begin with 'GGUF'", "give a .gguf file, or a folder with safetensors")

        version = self.number("I", "the version")
        if version not in VERSIONS:
            swapped = struct.unpack(">I", struct.pack("<I", version))[0] in VERSIONS
            if swapped:
                what = "it was written for another byte order"
            else:
                what = f"it is of version {version}, not 2 or 3"
            raise self.damaged(what, "convert the model again with a present llama.cpp")

        tensors = self.counted("Q", "tensors", MOST_TENSORS, 24)
        keys = self.counted("Q", "keys", MOST_KEYS, 13)

        metadata = self.named(keys, "the key", self.value)
        if not isinstance(metadata.get("general.architecture"), str):
            raise self.damaged("it does not name its architecture (general.architecture)")

        infos = self.named(tensors, "the tensor", self.info)
        start = self.aligned(metadata.get("general.alignment", ALIGNMENT))
        placed = {name: self.placed(name, info, start, kinds) for name, info in infos.items()}
        return Header(self.path, metadata, placed)

    def named(self, count: int, what: str, read: Callable[[str], Any]) -> dict[str, Any]:
        """As many times a name, and what `read` makes of the bytes after it."""
        found: dict[str, Any] = {}
        for _ in range(count):
            name = self.string(f"the name of {what}", LONGEST_NAME)
            if name in found:
                raise self.damaged(f"{what} {name!r} stands in it twice")
            found[name] = read(name)
        return found

    def value(self, name: str) -> Any:
        kind = self.number("I", f"the type of {name}")
        if kind != ARRAY:
            return self.single(kind, name)

        kind = self.number("I", f"the type of {name}")
        if kind in SCALARS:
            width = struct.calcsize(SCALARS[kind])
        else:
            width = 8

        count = self.counted("Q", f"values in {name}", len(self.data), width)
        if kind in SCALARS:
            return list(struct.unpack(f"<{count}{SCALARS[kind]}", self.take(count * width, name)))
        return [self.single(kind, name) for _ in range(count)]

    def single(self, kind: int, name: str) -> Any:
        if kind in SCALARS:
            return self.number(SCALARS[kind], name)
        if kind != STRING:
            raise self.damaged(f"{name!r} has a value of the unknown type {kind}")
        return self.string(name, len(self.data))

    def info(self, name: str) -> tuple[tuple[int, ...], int, int]:
        """Shape, type, and the place after the beginning of the weights. ggml writes the innermost size first."""
        count = self.number("I", f"the shape of {name}")
        if not 1 <= count <= MOST_DIMENSIONS:
            raise self.damaged(f"the tensor {name!r} has {count} dimensions")
        sizes = tuple(self.number("Q", f"the shape of {name}") for _ in range(count))
        if not all(sizes) or prod(sizes) > MOST_NUMBERS:
            raise self.damaged(f"the tensor {name!r} cannot have the shape {sizes}")
        return sizes[::-1], self.number("I", f"the type of {name}"), self.number("Q", f"the place of {name}")

    def aligned(self, to: Any) -> int:
        if not isinstance(to, int) or not 1 <= to <= MOST_ALIGNMENT or to & (to - 1):
            raise self.damaged(f"its alignment cannot be {to!r}")
        return (self.at + to - 1) // to * to

    def placed(self, name: str, info: tuple[tuple[int, ...], int, int], begin: int, kinds: Any) -> Stored:
        shape, kind, offset = info
        if kind not in kinds:
            what = f"the tensor {name!r} is of type {kind}, which the package gguf cannot unpack"
            raise self.damaged(what, "convert the model to Q8_0, or to another type of the package gguf")

        block, width = kinds[kind]
        if shape[-1] % block:
            raise self.damaged(f"the tensor {name!r} of shape {shape} has no whole blocks of {block}")

        size, start = prod(shape) // block * width, begin + offset
        if start + size > len(self.data):
            raise self.damaged(f"it is cut off: {name!r} ends at byte {start + size:,} of {len(self.data):,}")
        return Stored(name, shape, kind, start, size)

    def counted(self, form: str, what: str, most: int, width: int) -> int:
        """A number of things of at least `width` bytes each."""
        count = self.number(form, f"the number of {what}")
        if count > min(most, (len(self.data) - self.at) // width):
            raise self.damaged(f"it says that it holds {count:,} {what}, for which it is too short")
        return count

    def number(self, form: str, what: str) -> Any:
        return struct.unpack(f"<{form}", self.take(struct.calcsize(form), what))[0]

    def string(self, what: str, most: int) -> str:
        length = self.number("Q", what)
        if length > most:
            raise self.damaged(f"{what} cannot be {length:,} bytes long")
        try:
            return self.take(length, what).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.damaged(f"{what} is no UTF-8") from error

    def take(self, size: int, what: str) -> bytes:
        if size > len(self.data) - self.at:
            raise self.damaged(f"it is cut off: it ends within {what}")
        self.at += size
        return self.data[self.at - size : self.at]

    def damaged(self, what: str, fix: str = COPY_AGAIN) -> ModelError:
        return refusal(self.path, what, fix)
