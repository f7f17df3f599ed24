"""An adapter alone as a GGUF file, for llama.cpp's --lora over a GGUF file of its base.

llama.cpp has one alpha for the whole file and multiplies by alpha / rank. Whatever else an adapter's scale is made of
(rsLoRA's root, an alpha of its own for some modules), llama.cpp's converter drops silently; here it is multiplied into B.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from whet.errors import ModelError
from whet.model.gguf.header import package
from whet.model.gguf.tensor_names import Wanted, wanted_tensors
from whet.release.gguf.architecture import described
from whet.release.gguf.kinds import quantised
from whet.release.gguf.weights import FolderWeights
from whet.release.gguf.write import turned
from whet.store.reading import read_json_file

NAME = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<half>[AB])\.weight")
USE_WHOLE = "use --to gguf --type f16: the adapter is merged into the weights"


@dataclass(slots=True)
class Pair:
    """The two halves of one module's adapter, as PEFT stores them: A is (rank, in), B is (out, rank)."""

    halves: dict[str, Tensor] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return self.halves["A"].shape[0]


def write_lora(adapter: Path, base: Path, name: str, file: Path) -> list[str]:
    """Writes the file and returns sentences that people must know. Raises ModelError for an adapter that is more than
    two low-rank matrices a module."""
    config = read_json_file(adapter / "adapter_config.json", "r", "lora_alpha")
    _refuse_more(config, adapter)
    model = described(base)
    places = {tensor.name: (old, tensor) for old, tensor in wanted_tensors(model.architecture, model.config).items()}
    pairs = _pairs(adapter)
    scales = {module: module_scale(config, module, pair.rank) for module, pair in pairs.items()}
    alpha = float(config["lora_alpha"])
    folded = {module: scale * pairs[module].rank / alpha for module, scale in scales.items()}
    writer = package().GGUFWriter(file, model.architecture)
    try:
        writer.add_type("adapter")
        writer.add_name(name)
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        for module, pair in sorted(pairs.items()):
            old, tensor = _place(module, places, adapter)
            _add_pair(writer, old, tensor, pair, folded[module])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
    changed = sorted(module for module, factor in folded.items() if not math.isclose(factor, 1.0))
    if not changed:
        return []
    return [
        f"the scale of {len(changed)} of {len(pairs)} modules is multiplied into B, because llama.cpp reads one alpha "
        f"and no rsLoRA ({changed[0]}: {folded[changed[0]]:.4g})"
    ]


def module_scale(config: dict[str, Any], module: str, rank: int) -> float:
    """What PEFT multiplies B A x by (peft/tuners/lora/layer.py, update_layer)."""
    from peft.utils.other import get_pattern_key

    patterns = config.get("alpha_pattern") or {}
    alpha = patterns.get(get_pattern_key(patterns, module), config["lora_alpha"])
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _refuse_more(config: dict[str, Any], adapter: Path) -> None:
    more = {
        "use_dora": "DoRA's magnitudes", "modules_to_save": "whole modules", "trainable_token_indices": "rows of the "
        "embedding", "target_parameters": "experts", "layer_replication": "repeated layers", "lora_bias": "biases",
    }  # fmt: skip
    found = [words for key, words in more.items() if config.get(key)]
    found += ["biases"] if config.get("bias", "none") != "none" else []
    if found:
        what = f"this adapter has {found[0]}, which an adapter of llama.cpp cannot hold"
        raise ModelError(what, where=str(adapter), fix=USE_WHOLE)


def _pairs(adapter: Path) -> dict[str, Pair]:
    """By module. Raises ModelError for a tensor that is no half of a pair."""
    pairs: dict[str, Pair] = {}
    with FolderWeights(adapter) as weights:
        for name in weights:
            told = NAME.fullmatch(name)
            if told is None:
                raise ModelError(f"{name!r} is no part of an adapter here", where=str(adapter), fix=USE_WHOLE)
            pairs.setdefault(told["module"], Pair()).halves[told["half"]] = weights.read(name)
    for module, pair in pairs.items():
        if len(pair.halves) != 2:
            raise ModelError(f"{module} has one half of an adapter", where=str(adapter), fix="export the run again")
    return pairs


def _place(module: str, places: dict[str, tuple[str, Wanted]], adapter: Path) -> tuple[str, Wanted]:
    if f"{module}.weight" not in places or module in ("model.embed_tokens", "lm_head"):
        what = f"llama.cpp's form of this family takes no adapter on {module}"
        raise ModelError(what, where=str(adapter), fix=USE_WHOLE)
    return places[f"{module}.weight"]


def _add_pair(writer: Any, old: str, tensor: Wanted, pair: Pair, factor: float) -> None:
    """Float32: an adapter is small. The rows of B are those of the module's matrix, in llama.cpp's order."""
    halves = {"a": pair.halves["A"], "b": turned(pair.halves["B"].float() * factor, tensor.heads)}
    for half, values in halves.items():
        packed, chosen = quantised(f"{old}.lora_{half}", values, "f32")
        writer.add_tensor(f"{old}.lora_{half}", packed, raw_dtype=chosen)
