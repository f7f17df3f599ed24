"""What stands beside the weights of a folder that transformers reads: tokenizer, template, and where answers stop."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from whet.release.tuned import Tuned
from whet.store.atomic import write_json

NOT_COPIED = ("whet.json", "SHA256SUMS", "README.md", "config.json", "generation_config.json")


def copy_tokenizer(model: Tuned, out: Path) -> None:
    """Tokenizer and chat template as they were trained with."""
    for file in sorted(model.folder.iterdir()):
        weights = file.suffix == ".safetensors" or file.name.endswith(".safetensors.index.json")
        if file.is_file() and not weights and file.name not in NOT_COPIED and not file.name.startswith("adapter_"):
            shutil.copyfile(file, out / file.name)


def base_file(path: str, name: str) -> dict[str, Any]:
    """A JSON file of a base, in a folder or on the Hub; empty where it has none."""
    from transformers.utils.hub import cached_file

    found = cached_file(path, name, _raise_exceptions_for_missing_entries=False)
    if found:
        return json.loads(Path(found).read_text("utf-8"))
    return {}


def write_generation(model: Tuned, out: Path) -> None:
    """generation_config.json: the base's own with the stop tokens that were trained. Every consumer stops by it; the
    base's may name another token, and then nothing would stop an answer."""
    if model.is_adapter:
        path = model.base
    else:
        path = str(model.folder)
    config = base_file(path, "generation_config.json") or base_file(model.base, "generation_config.json")
    write_json(out / "generation_config.json", config | {"eos_token_id": stops(model)})


def stops(model: Tuned) -> int | list[int]:
    """Trained stop tokens as transformers writes them."""
    if len(model.stop_ids) == 1:
        return model.stop_ids[0]
    return model.stop_ids


def write_config(model: Tuned, out: Path, dtype: str, **changed: Any) -> None:
    """config.json of a whole model in `dtype`."""
    if model.is_adapter:
        path = model.base
    else:
        path = str(model.folder)

    config = base_file(path, "config.json")
    config.pop("torch_dtype", None)  # the older name of the same
    config.pop("quantization_config", None)

    if model.has_head:
        ends = {}
    else:
        ends = {"eos_token_id": stops(model)}

    write_json(out / "config.json", config | ends | {"dtype": dtype} | changed)


def size_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
