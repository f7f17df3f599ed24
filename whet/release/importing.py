"""Weights or an adapter that others trained become a run of ours: copied, checked, with golden answers of their own.

What is unknown stays unknown: no data, no evaluation, no lineage. What can be checked is: the weights are safetensors
and fit their base, the template renders, answers end where the template says, and the real library reads the same
numbers as Whet does.
"""

from __future__ import annotations

import gc
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from whet.data.render.renderer import Renderer
from whet.errors import ModelError
from whet.model.adapter import load_adapter
from whet.model.base import load_base, saved_tokenizer
from whet.model.saved_model import GOLDEN, sums_of_weights
from whet.recipe.schema import Recipe
from whet.release.tensor_files import shapes_in
from whet.store.atomic import new_folder, write_json
from whet.store.checksums import seal
from whet.store.reading import read_json_file
from whet.store.run import IMPORTED, Run

ADAPTER = "adapter_config.json"
UNKNOWN = "unknown"
NOT_TAKEN = ("whet.json", "SHA256SUMS", "README.md")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A folder that others made."""

    folder: Path
    base: str
    """Of an adapter, the base it lies over; of whole weights, what they were made from, or the folder itself."""
    is_adapter: bool
    dtype: str


def foreign(folder: Path, base: str | None) -> Foreign:
    """Raises ModelError for a folder without weights, or with an adapter whose base is not told."""
    if not folder.is_dir():
        raise ModelError("there is no such folder", where=str(folder), fix="give a folder with safetensors")

    is_adapter = (folder / ADAPTER).is_file()
    files = sorted(folder.glob("*.safetensors"))
    if not files or not (is_adapter or (folder / "config.json").is_file()):
        what = "it holds neither an adapter (adapter_config.json) nor a model (config.json) with safetensors"
        raise ModelError(what, where=str(folder), fix="give the folder that save_pretrained wrote, not pickles")

    if is_adapter:
        base = base or read_json_file(folder / ADAPTER, "r").get("base_model_name_or_path")
        if not base:
            raise ModelError("the adapter does not tell its base", where=str(folder), fix="name it: --base BASE")

    dtypes = [one.dtype for file in files for one in shapes_in(file).values() if one.dtype.is_floating_point]
    dtype = max(set(dtypes), key=dtypes.count)
    if dtype not in (torch.float32, torch.bfloat16, torch.float16):
        raise ModelError("its weights are of a kind that is not read here", where=str(folder), value=str(dtype))
    return Foreign(folder.absolute(), base or str(folder.absolute()), is_adapter, str(dtype).removeprefix("torch."))


def recipe_of_import(found: Foreign) -> Recipe:
    """What a run needs to know: its data is the folder itself."""
    kind = {"kind": "lora" if found.is_adapter else "full"}
    if found.dtype == "float32":
        dtype = "float32"
    else:
        dtype = "bfloat16"
    return Recipe.model_validate({"data": str(found.folder), "base": found.base, "adapter": kind, "dtype": dtype})


def take_in(found: Foreign, run: Run) -> None:
    """Fills run/model. Raises ModelError for an adapter that does not fit its base, or a tokenizer that is missing."""
    with new_folder(run.model) as folder:
        for file in sorted(found.folder.iterdir()):
            if file.is_file() and file.name not in NOT_TAKEN:
                shutil.copyfile(file, folder / file.name)

        base = load_base(found.base, getattr(torch, found.dtype))
        if found.is_adapter:
            load_adapter(base.model, folder)

        if not (folder / "tokenizer.json").exists():
            base.tokenizer.save_pretrained(folder)
        renderer = Renderer(saved_tokenizer(folder))
        sums = sums_of_weights(folder)
        write_json(folder / "whet.json", _facts(found, base.fingerprint, renderer, sums))
        seal(folder, sums)
        del base
        gc.collect()

    run.write_json("selfcheck.json", {"path": "plain"})  # the reference: nothing faster was proved
    run.write_json(IMPORTED, {"from": str(found.folder), "lineage": UNKNOWN})


def _facts(found: Foreign, fingerprint: str, renderer: Renderer, sums: dict[str, str]) -> dict[str, Any]:
    return {
        "base": found.base,
        "base_fingerprint": fingerprint,
        "quantise": None,
        "adapter": "lora" if found.is_adapter else "full",
        "method": UNKNOWN,
        "lineage": UNKNOWN,
        "seed": 0,
        "from_scratch": False,
        "dtype": found.dtype,
        "clock": renderer.clock.isoformat(),
        "golden_prompt": GOLDEN,
        "golden_ids": renderer.prompt_ids(GOLDEN, None),
        "stop_ids": sorted(renderer.stop_ids),
        "weights_sha256": sums,
    }
