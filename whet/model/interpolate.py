"""A point on the straight line from the base to the tuned model: base + scale (tuned - base).

Weight-space interpolation (WiSE-FT: Wortsman et al. 2022, arXiv 2109.01903). An adapter is such a difference already,
so its scale is a factor; for a full fine-tune the weights themselves are mixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from whet.errors import ModelError
from whet.model.adapter import is_adapted
from whet.recipe.sections.adapters import no_line


@contextmanager
def interpolated(model: Any, base_model: Any | None, scale: float) -> Iterator[None]:
    """Within this block `model` is `scale` of the way from its base; afterwards it is bit for bit what it was.

    `base_model` holds the base's weights where `model` has no adapter. Raises ValueError without either, and ModelError
    for weights that the base does not have: they would stay where they are while all others move.
    """
    moved = _lerp_tensors(model, base_model)
    kept = {name: own.detach().clone() for name, (own, _) in moved.items()}

    try:
        set_scale(model, base_model, scale)
        yield
    finally:
        with torch.no_grad():
            for name, (own, _) in moved.items():
                own.copy_(kept[name])


@torch.no_grad()
def set_scale(model: Any, base_model: Any | None, scale: float) -> None:
    """Brings `model` to `scale` of the way for good. Raises as `interpolated` does."""
    for own, start in _lerp_tensors(model, base_model).values():
        own.copy_(mixed(start, own, scale))


def mixed(start: Tensor | None, own: Tensor, scale: float) -> Tensor:
    """start + scale (own - start), computed in float32; a start that is None is zero."""
    wide = own.detach().float()
    return (scale * wide if start is None else torch.lerp(start.detach().float(), wide, scale)).to(own.dtype)


def refuse_no_line(config: Mapping[str, Any]) -> None:
    """Raises ModelError for an adapter_config.json with options whose weights no factor of B brings nearer."""
    options = {"dora": config.get("use_dora"), "modules_to_save": config.get("modules_to_save")}
    if option := next((name for name, used in options.items() if used), ""):
        fix = f"train without {option} to bring a model nearer"
        raise ModelError(no_line(option), where="adapter", value=option, fix=fix)


def _lerp_tensors(model: Any, base_model: Any | None) -> dict[str, tuple[Tensor, Tensor | None]]:
    """What is mixed, and where it starts: of an adapter its B, because B A is the whole difference."""
    if is_adapted(model):
        refuse_no_line(vars(model.active_peft_config))
        return {name: (p, None) for name, p in model.named_parameters() if "lora_B" in name}
    if base_model is None:
        raise ValueError("a model without an adapter needs its base's weights")
    start = dict(base_model.named_parameters(remove_duplicate=False))  # a tied weight has two names

    alone = [name for name, own in model.named_parameters() if name not in start or start[name].shape != own.shape]
    if alone:
        what = f"{len(alone)} of the trained weights have no match in the base, so nothing lies between the two"
        raise ModelError(what, value=alone, fix="train with adapter: lora, whose scale is a factor")

    return {name: (p, start[name]) for name, p in model.named_parameters()}
