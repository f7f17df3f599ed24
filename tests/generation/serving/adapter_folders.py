"""Adapters as PEFT saves them, made for tests: of random numbers, or such that every answer is one signature token."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from whet.model.base import Base

FILE = "adapter_model.safetensors"
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def save_adapter(model: Any, folder: Path, seed: int = 0, size: float = 0.05, **config: Any) -> Path:
    """An adapter of random numbers; the model is left as it is."""
    options = {"r": 4, "lora_alpha": 8, "target_modules": ALL, "task_type": "CAUSAL_LM"} | config
    adapted = get_peft_model(copy.deepcopy(model), LoraConfig(**options))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    adapted.save_pretrained(folder)
    return folder


def save_signatures(base: Base, folder: Path, number: int) -> dict[int, Path]:
    """Adapters that write one token each whatever they are asked, by token.

    A is solved for on the inputs h of the last layer's way out such that A h is about 1 for any text; B along the
    token's own row of the output layer then lifts this token's logit above all others.
    """
    model = base.model
    first = save_adapter(model, folder / "first", r=1, lora_alpha=1e5)
    tensors = {name: torch.zeros_like(tensor) for name, tensor in load_file(first / FILE).items()}
    last = f"base_model.model.model.layers.{len(model.model.layers) - 1}.mlp.down_proj"

    rows_VD = model.get_output_embeddings().weight.detach() * model.model.norm.weight.detach()
    own = (rows_VD @ rows_VD.T).argmax(-1) == torch.arange(len(rows_VD))
    one = _one_for_all(model)
    folders = {}
    for token in torch.nonzero(own).flatten()[100:].tolist()[:number]:
        path = folder / str(token)
        path.mkdir()
        held = dict(tensors)
        held[f"{last}.lora_A.weight"] = one[None]
        held[f"{last}.lora_B.weight"] = (rows_VD[token] / rows_VD[token].norm())[:, None]
        save_file(held, path / FILE, {"format": "pt"})
        (path / "adapter_config.json").write_text((first / "adapter_config.json").read_text("utf-8"), "utf-8")
        folders[token] = path
    return folders


def change(folder: Path, **config: Any) -> Path:
    """Other settings in the adapter's config."""
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | config), "utf-8")
    return folder


def _one_for_all(model: Any) -> Tensor:
    seen: list[Tensor] = []
    layer = model.model.layers[-1].mlp.down_proj
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().flatten(0, 1)))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        model(input_ids=torch.randint(5, 4096, (1500, 9), generator=generator))
        model(input_ids=torch.arange(0, 4096, 3)[:, None])
    hook.remove()
    inputs = torch.cat(seen)
    return torch.linalg.lstsq(inputs, torch.ones(len(inputs), 1)).solution.flatten()
