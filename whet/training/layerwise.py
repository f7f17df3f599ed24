"""Two ways through a model, compared layer by layer, with what the dtype's rounding allows and no more.

In bfloat16 rounding alone moves a gradient by 1% to 5%, and what is left out of one layer (a softcap, a scale) hides in
it. So models in 16 bits are compared in float32, too: their weights are widened for it, exactly, and narrowed again.
There two right ways differ by some 1e-6 in every layer (measured over 13 architectures, trained whole and by adapters),
and a mistake by a thousand times as much.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

EPSILON = torch.finfo(torch.float32).eps
LOSS_LIMIT, LAYER_LIMIT = 2**8 * EPSILON, 2**10 * EPSILON
"""Largest relative difference in float32 of the loss (3e-5) and of one layer's gradient (1.2e-4): a hundred times what
was measured, because sums over thousands of numbers round more than those of small models."""
OUTSIDE = "outside the layers"


def largest_difference(names: Sequence[str], ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> tuple[float, str]:
    """(relative difference, name) of the layer whose gradient differs most: |ours - theirs| / |theirs|. A layer whose
    gradient is rounding alone is measured against a millionth of the whole."""
    apart: dict[str, float] = {}
    size: dict[str, float] = {}
    for name, our_gradient, their_gradient in zip(names, ours, theirs, strict=True):
        layer = layer_of(name)
        difference = our_gradient.float() - their_gradient.float()
        apart[layer] = apart.get(layer, 0.0) + float(difference.square().sum(dtype=torch.float32))
        size[layer] = size.get(layer, 0.0) + float(their_gradient.float().square().sum(dtype=torch.float32))

    least = max(1e-12 * sum(size.values()), 1e-30)
    relative = {layer: (apart[layer] / max(size[layer], least)) ** 0.5 for layer in apart}
    worst = max(relative, key=lambda layer: relative[layer])
    return relative[worst], worst


def layer_of(name: str) -> str:
    """The layer that a weight belongs to, for people."""
    number = re.search(r"\.(\d+)\.", name)
    return f"layer {number[1]}" if number else OUTSIDE
