"""The weights of a model folder, one tensor at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError, safe_open
from torch import Tensor

from whet.errors import ModelError


class FolderWeights:
    """All safetensors of a folder; each tensor is read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stack = folder, ExitStack()
        self.files: dict[str, Any] = {}

    def __enter__(self) -> Self:
        files = sorted(self.folder.glob("*.safetensors"))
        if not files:
            raise ModelError("there are no safetensors in it", where=str(self.folder), fix="export the run again")

        for file in files:
            try:
                opened = self.stack.enter_context(safe_open(file, framework="pt"))
            except (SafetensorError, OSError) as error:
                self.stack.close()
                what = f"these weights cannot be read: {error}"
                raise ModelError(what, where=str(file), fix="export the run again") from error
            self.files |= dict.fromkeys(opened.keys(), opened)

        return self

    def __exit__(self, *_: object) -> None:
        self.files.clear()
        self.stack.close()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(opened.get_slice(name).get_shape()) for name, opened in self.files.items()}

    def read(self, name: str) -> Tensor:
        return self.files[name].get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)
