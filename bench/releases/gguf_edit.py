"""A GGUF file written again with other keys or tensors: what a wrong converter would have made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Tensors = dict[str, tuple[np.ndarray, Any]]
"""By name: the numbers as they are stored, and their type in ggml."""


def rewrite(file: Path, keys: dict[str, Any], change: Callable[[Tensors], object] | None = None) -> None:
    """`keys` replace what stands there under the same name."""
    reader = gguf.GGUFReader(file)
    architecture = str(reader.fields["general.architecture"].contents())
    tensors: Tensors = {one.name: (np.array(one.data), one.tensor_type) for one in reader.tensors}

    if change:
        change(tensors)
    written = file.with_suffix(".new")

    writer = gguf.GGUFWriter(written, architecture)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue

        if len(field.types) > 1:
            inner = field.types[1]
        else:
            inner = None
        writer.add_key_value(name, keys.get(name, field.contents()), field.types[0], inner)

    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    written.replace(file)
