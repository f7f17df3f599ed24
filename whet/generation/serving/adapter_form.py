"""An adapter's folder read for the bank, by PEFT's own reading of it.

PEFT puts the first adapter of each form (one config, one set of tensors) into a second model over the base's weights,
which takes a fifth of a second. Later adapters of that form fill the same places. So scales, ranks and targets are
PEFT's, and PEFT's own forward pass is there to prove the bank against.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from whet.errors import ModelError
from whet.generation.decoder_layers import read_model
from whet.model.adapter import causal_lm, load_adapter
from whet.model.lora import is_lora
from whet.text.normalise import one_line

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
NAMES = {"base_model_name_or_path", "revision", "peft_version", "inference_mode", "task_type", "lora_dropout"}
"""Keys of a config that do not change what an adapter does to a base once it is trained."""
UNSUPPORTED = {
    "use_dora": "DoRA",
    "modules_to_save": "modules that were trained whole",
    "trainable_token_indices": "trained rows of the embedding",
    "layer_replication": "repeated layers",
    "target_parameters": "experts' tensors",
    "lora_bias": "a bias of its own",
    "alora_invocation_tokens": "activated LoRA",
}
MERGE = (
    "merge it (whet export RUN --to merged) and serve that folder, or serve it by an engine: whet serve --engine-url"
)


@dataclass(frozen=True, slots=True)
class AdapterFile:
    """The folder of an adapter, and what it held when it was read first."""

    folder: Path
    sha256: str
    """Of its weights."""
    form: str
    """Config and shapes: adapters of one form differ in the numbers of their tensors alone."""

    def tensors(self) -> dict[str, Tensor]:
        """Raises ModelError for a file that is not the one that was read first."""
        sha256, tensors = _weights(self.folder)
        if sha256 != self.sha256:
            what = "the adapter's weights have changed since they were loaded and proved"
            raise ModelError(what, where=str(self.folder), fix="load it again, or restore the file")
        return tensors


def read_folder(folder: Path) -> tuple[AdapterFile, dict[str, Tensor]]:
    """Raises ModelError for what is no adapter, or one that does more than the bank can."""
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{name} is missing", where=str(folder), fix="give the model/ folder of a run")
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except ValueError as error:
        fix = "restore it from a backup"
        raise ModelError("this is no JSON", where=str(folder / CONFIG), fix=fix) from error

    found = [words for key, words in UNSUPPORTED.items() if config.get(key)]
    if config.get("bias", "none") != "none":
        found.append("trained biases")
    if found:
        what = f"adapters with {' and '.join(found)} cannot share a batch"
        raise ModelError(what, where=str(folder), fix=MERGE)

    sha256, tensors = _weights(folder)
    if odd := sorted(name for name in tensors if not name.endswith((".lora_A.weight", ".lora_B.weight"))):
        what = f"{odd[0]} of this adapter is outside of the layers that can have one in a shared batch"
        raise ModelError(what, where=str(folder), fix=MERGE)
    settings = {key: value for key, value in config.items() if key not in NAMES}
    for key in ("target_modules", "exclude_modules"):
        if isinstance(settings.get(key), list):
            settings[key] = sorted(settings[key])
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    return AdapterFile(folder, sha256, json.dumps([settings, shapes], sort_keys=True)), tensors


class AdapterForm:
    """A model with PEFT's places for one form of adapter."""

    def __init__(self, base: Any, file: AdapterFile) -> None:
        self.model = load_adapter(_twin(base), file.folder)
        for module in self.model.modules():
            if is_lora(module):
                for name in module.lora_dropout:
                    module.lora_dropout[name] = nn.Identity()  # it is for training

        layers = read_model(causal_lm(self.model))
        if isinstance(layers, str):
            what = f"this adapter changes more than layers of a shared batch can: with it {layers}"
            raise ModelError(what, where=str(file.folder), fix=MERGE)
        self.joined: list[list[Any]] = []
        """Products by joined layer, in the order of the decoder's."""
        for layer in layers:
            half, mlp = layer.attention, layer.mlp
            self.joined += [[*half.reads], [half.output], [mlp.gate, mlp.up], [mlp.down]]

        names = {id(module): name for name, module in self.model.named_modules()}
        self.places: dict[str, nn.Parameter] = {}
        for product in (product for group in self.joined for product in group if product.adapted):
            for part, parameter in (("lora_A", product.down), ("lora_B", product.up)):
                self.places[f"{names[id(product.wrapper)]}.{part}.weight"] = parameter

        if left := sorted(set(json.loads(file.form)[1]) ^ set(self.places)):
            what = f"{left[0]} of this adapter is outside of the layers that can have one in a shared batch"
            raise ModelError(what, where=str(file.folder), fix=MERGE)

    @torch.no_grad()
    def fill(self, tensors: dict[str, Tensor]) -> dict[int, list[tuple[Tensor, Tensor, float] | None]]:
        """Put an adapter's numbers into the places; returns A, B and scale of each product by joined layer."""
        for name, parameter in self.places.items():
            parameter.copy_(tensors[name])

        factors: dict[int, list[tuple[Tensor, Tensor, float] | None]] = {}
        for number, group in enumerate(self.joined):
            if any(product.adapted for product in group):
                factors[number] = [
                    (product.down.detach(), product.up.detach(), product.scale) if product.adapted else None
                    for product in group
                ]
        return factors


def _twin(model: Any) -> Any:
    """A second model over the same weights: modules are copied, tensors are not."""
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)


def _weights(folder: Path) -> tuple[str, dict[str, Tensor]]:
    """sha256 of the file of weights and its tensors, of the same bytes."""
    path, fix = folder / WEIGHTS, "restore the file from a backup"
    try:
        held = path.read_bytes()
        return hashlib.sha256(held).hexdigest(), load(held)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"these weights cannot be read: {one_line(str(error))}", where=str(path), fix=fix) from error
