"""What an adapter adds to which weights: PEFT's file read module by module, with the scale that PEFT would use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from whet.release.tensor_files import read_tensor, shapes_in
from whet.release.tuned import Tuned

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
PART = re.compile(r"(?P<module>.+)\.lora_(?P<part>A|B|embedding_A|embedding_B|magnitude_vector)(\.weight)?")


@dataclass(slots=True)
class AdaptedModule:
    """One module with its adapter: names of tensors in the adapter's file, and the scale."""

    name: str
    """As the base's model calls it."""
    scale: float = 1.0
    keys: dict[str, str] = field(default_factory=dict)
    """`A`, `B`, `embedding_A`, `embedding_B`, `magnitude_vector` to the name in the file."""


@dataclass(frozen=True, slots=True)
class AdapterWeights:
    file: Path
    config: dict[str, Any]
    modules: dict[str, AdaptedModule]
    whole: dict[str, str]
    """Tensors that were trained whole (modules_to_save): their name in the base to that in the file."""

    def tensor(self, key: str) -> Tensor:
        return read_tensor(self.file, key)


def adapter_weights(model: Tuned) -> AdapterWeights:
    """Of a tuned model that is an adapter."""
    file, config = model.folder / WEIGHTS, model.adapter_config
    modules: dict[str, AdaptedModule] = {}
    whole = {}

    shapes = shapes_in(file)
    for key in shapes:
        found = PART.fullmatch(key.removeprefix(PREFIX))
        if found is None:
            whole[key.removeprefix(PREFIX)] = key
            continue

        module = modules.setdefault(found["module"], AdaptedModule(found["module"]))
        module.keys[found["part"]] = key

    for module in modules.values():
        rank = shapes[module.keys.get("A") or module.keys["embedding_A"]].shape[0]
        module.scale = scale_of(module.name, rank, config)

    return AdapterWeights(file, config, modules, whole)


def scale_of(module: str, rank: int, config: Mapping[str, Any]) -> float:
    """What PEFT multiplies B A by: alpha/r, under rsLoRA alpha/sqrt(r) (Kalajdzievski 2023, arXiv 2312.03732)."""
    alpha = of_pattern(module, config.get("alpha_pattern") or {}, config["lora_alpha"])
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def of_pattern(module: str, pattern: Mapping[str, float], default: float) -> float:
    """The first key that the module's name ends in counts, as in PEFT's get_pattern_key."""
    fits = (value for key, value in pattern.items() if re.match(rf"(.*\.)?({key})$", module))
    return next(fits, default)


def streamable(adapter: AdapterWeights) -> str | None:
    """Why this adapter cannot be added to its base's files tensor by tensor; None where it can."""
    if adapter.config.get("target_parameters"):
        return "it adapts tensors of experts"
    if adapter.config.get("trainable_token_indices"):
        return "it trains single tokens"
    if adapter.config.get("peft_type", "LORA") != "LORA":
        return f"it is of the kind {adapter.config['peft_type']}"
    if adapter.config.get("lora_bias"):
        return "it has biases"

    dora = any("magnitude_vector" in module.keys for module in adapter.modules.values())
    if dora and (
        adapter.config.get("fan_in_fan_out") or any("embedding_A" in m.keys for m in adapter.modules.values())
    ):
        return "it has magnitudes of embeddings or of transposed layers"

    odd = _halves(adapter.modules.values())
    return f"{odd[0]} has no A and B" if odd else None


def _halves(modules: Iterable[AdaptedModule]) -> list[str]:
    pairs = ({"A", "B"}, {"embedding_A", "embedding_B"})
    return [one.name for one in modules if one.keys.keys() - {"magnitude_vector"} not in pairs]


def merged_weight(weight: Tensor, module: AdaptedModule, adapter: AdapterWeights) -> Tensor:
    """W + s B A in float32; of DoRA its rows brought to their trained length (Liu et al. 2024, arXiv 2402.09353)."""
    wide = weight.float()
    summed = wide + added_by(module, adapter)
    if "magnitude_vector" not in module.keys:
        return summed
    length_O = adapter.tensor(module.keys["magnitude_vector"]).float().reshape(-1)
    return summed * (length_O / torch.linalg.norm(summed, dim=1)).unsqueeze(1)


def added_by(module: AdaptedModule, adapter: AdapterWeights) -> Tensor:
    """s B A in float32, in the shape of the base's weight: (out, in), of an embedding (tokens, width), and (in, out)
    where the base keeps its layers so (GPT-2)."""
    if "embedding_A" in module.keys:
        a, b = (adapter.tensor(module.keys[name]).float() for name in ("embedding_A", "embedding_B"))
        return module.scale * (b @ a).T

    a, b = (adapter.tensor(module.keys[name]).float() for name in ("A", "B"))
    added = module.scale * (b @ a)

    if adapter.config.get("fan_in_fan_out"):
        return added.T
    return added
