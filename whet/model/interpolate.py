"""A point on the straight line from the base to the tuned model: base + scale (tuned - base).

Weight-space interpolation (WiSE-FT: Wortsman et al. 2022, arXiv 2109.01903). An adapter is such a difference already,
so its scale is a factor; for a full fine-tune the weights themselves are mixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from whet.model.adapter import is_adapted


@contextmanager
def interpolated(model: Any, base_model: Any | None, scale: float) -> Iterator[None]:
    """Within this block `model` stands `scale` of the way from its base; afterwards it is bit for bit what it was.

    `base_model` holds the base's weights where `model` has no adapter. Raises ValueError without either.
    """
    moved = _moved(model, base_model)
    kept = {name: own.detach().clone() for name, (own, _) in moved.items()}
    try:
        with torch.no_grad():
            for own, start in moved.values():
                own.copy_(mixed(start, own, scale))
        yield
    finally:
        with torch.no_grad():
            for name, (own, _) in moved.items():
                own.copy_(kept[name])


def mixed(start: Tensor | None, own: Tensor, scale: float) -> Tensor:
    """start + scale (own - start), computed in float32; a start that is None is zero."""
    wide = own.detach().float()
    return (scale * wide if start is None else torch.lerp(start.detach().float(), wide, scale)).to(own.dtype)


def _moved(model: Any, base_model: Any | None) -> dict[str, tuple[Tensor, Tensor | None]]:
    """What is mixed, and where it starts: of an adapter its B, because B A is the whole difference."""
    if is_adapted(model):
        return {name: (p, None) for name, p in model.named_parameters() if "lora_B" in name}
    if base_model is None:
        raise ValueError("a model without an adapter needs its base's weights")
    start = dict(base_model.named_parameters())
    return {name: (p, start[name]) for name, p in model.named_parameters()}
