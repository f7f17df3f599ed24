"""Experts whose weights are one tensor a layer, which `all-linear` does not see: they are no linear layers.

A mixture of experts holds most of its weights there. PEFT adapts such a tensor by its name (target_parameters), every
expert with an A and a B of its own. Each gets the rank divided by the experts that a token passes through, so that an
adapter is as large beside its weights as in a dense model (LoRA Without Regret, Thinking Machines, 2025).

For some architectures PEFT 0.21 reads the name of a linear layer (`down_proj`) as that of an expert of older
checkpoints, and then leaves the layer itself out: shared experts, dense layers among sparse ones. Such layers are named
by their weight, which is the same adapter under another name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from whet.errors import ModelError
from whet.model.quantised.nf4 import is_quantised, quantised_linears
from whet.recipe.schema import Lora

LINEAR = (nn.Linear, Conv1D)

COUNTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
USED = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k_experts")
"""What configs call the experts of a layer, and those that a token passes through."""


OLD_NAMES = {"gate", "gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"}
"""Names of layers that PEFT may read as those of experts (its utils/transformers_weight_conversion.py)."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What PEFT is told to adapt."""

    modules: str | list[str]
    parameters: list[str] | None = None
    ranks: dict[str, int] = field(default_factory=dict)


def targets_of(model: Any, adapter: Lora) -> Targets:
    """The adapter's targets with the experts among them."""
    if not expert_tensors(model):
        return Targets(adapter.targets)
    if adapter.dora:
        what = "PEFT has no DoRA for experts, and this base is a mixture of experts"
        raise ModelError(what, where="adapter.dora", value=True, fix="leave dora out")

    experts = experts_of(model, adapter)
    ranks = dict.fromkeys(experts, expert_rank(model, adapter))

    if not isinstance(adapter.targets, str):
        layers = [target for target in adapter.targets if not any(_ends_in(name, target) for name in experts)]
        return Targets(layers, experts or None, ranks)

    modules = sorted({name.rpartition(".")[2] for name in _linears(model)} - OLD_NAMES)
    return Targets(modules, sorted([*experts, *_old_weights(model)]) if experts else None, ranks)


def _linears(model: Any) -> list[str]:
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if module is not head and (type(module) in LINEAR or is_quantised(module))
    ]


def _old_weights(model: Any) -> list[str]:
    """Weights of linear layers that PEFT may take for experts, without the number of their layer."""
    names = [name for name in _linears(model) if name.rpartition(".")[2] in OLD_NAMES]
    return sorted({f"{_within_layer(name)}.weight" for name in names})


def expert_tensors(model: Any) -> dict[str, nn.Parameter]:
    """The weights of all experts of a layer as one tensor, by the tensor's full name; none where experts are layers of
    their own, or there are none."""
    config = model.config.get_text_config()
    counts = {value for name in COUNTS if isinstance(value := getattr(config, name, None), int) and value > 1}
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim == 3
        and parameter.shape[0] in counts
        and not isinstance(model.get_submodule(name.rpartition(".")[0]), nn.Conv1d)
    }


def expert_names(model: Any) -> list[str]:
    """The same tensors without the number of their layer: `mlp.experts.down_proj`."""
    return sorted({_within_layer(name) for name in expert_tensors(model)})


def experts_of(model: Any, adapter: Lora) -> list[str]:
    """The names that the adapter is to adapt: all for `all-linear`, else those that it names."""
    names = expert_names(model)
    if why_not(model, adapter):
        return []
    if isinstance(adapter.targets, str):
        return names
    return [name for name in names if any(_ends_in(name, target) for target in adapter.targets)]


def why_not(model: Any, adapter: Lora) -> str:
    """Why PEFT cannot adapt experts so; empty where it can."""
    if adapter.dropout:
        return f"PEFT gives them no dropout, and adapter.dropout is {adapter.dropout:g}"
    if quantised_linears(model):
        return "the base is in 4 bits"
    return ""


def expert_rank(model: Any, adapter: Lora) -> int:
    """The rank of one expert's adapter."""
    config = model.config.get_text_config()
    assert adapter.rank is not None
    for name in USED:
        used = getattr(config, name, None)
        if isinstance(used, int) and used > 0:
            return max(1, adapter.rank // used)

    return max(1, adapter.rank)


def expert_notes(model: Any, adapter: object) -> str | None:
    """What becomes of the experts of `model`, in a sentence; None where it has none, or all its weights are trained."""
    tensors = expert_tensors(model)
    if not tensors or not isinstance(adapter, Lora):
        return None

    numbers = sum(tensor.numel() for tensor in tensors.values())
    share = numbers / sum(parameter.numel() for parameter in model.parameters())
    held = f"The experts ({', '.join(expert_names(model))}: {share:.0%} of the base's weights)"

    adapted = experts_of(model, adapter)
    if adapted:
        return f"{held} get an adapter of rank {expert_rank(model, adapter)} each: {', '.join(adapted)}."

    why = why_not(model, adapter)
    sentence = f"{held} get no adapter and stay as they are: {why or 'adapter.targets does not name them'}"

    if why and isinstance(adapter.targets, str):
        others = _old_weights(model)
        if others:
            sentence += f"; nor do {', '.join(others)}, which PEFT takes for experts"

    return f"{sentence}."


def _ends_in(name: str, target: str) -> bool:
    """Whether whole parts of a dotted name end it: `mlp.experts.down_proj` ends in `experts.down_proj`."""
    return f".{name}".endswith(f".{target}")


def _within_layer(name: str) -> str:
    parts = name.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
    return ".".join(parts[numbers[-1] + 1 if numbers else 0 :])
