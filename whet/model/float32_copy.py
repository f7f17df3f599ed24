"""A 16-bit model with the same numbers in 32 bits, for a while: what rounding hides, or blows up, is plain there.

Two right ways through a mixture of experts differ in 16 bits by whole tokens, which the last bit of a router's sum
sends to another expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from whet.model.accelerator import free_memory
from whet.model.quantised.nf4 import compute_in, dtype_of, quantised_linears

LOW = (torch.bfloat16, torch.float16)


def is_low(model: Any) -> bool:
    return next(model.parameters()).dtype in LOW


def why_not_widened(model: Any) -> str:
    """Why this model cannot be compared in float32; empty where it can."""
    device = next(model.parameters()).device
    free = free_memory(device)

    more = sum(2 * tensor.numel() for tensor in _low_tensors(model))
    if 2 * more > free:
        return f"it would take {more / 1e9:.1f} GB more"
    return ""


@contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Within this block every 16-bit weight and buffer holds the same numbers in 32 bits. 4-bit layers stay packed, and
    unpack their weight to 32 bits for the instant of its use."""
    low = [(tensor, tensor.dtype) for tensor in _low_tensors(model)]
    packed = [(layer, layer.compute_dtype, dtype_of(layer)) for layer in quantised_linears(model).values()]
    try:
        for tensor, _ in low:
            tensor.data = tensor.data.float()
        for layer, _, _ in packed:
            compute_in(layer, torch.float32, torch.float32)
        yield
    finally:
        for layer, computed, unpacked in packed:
            compute_in(layer, computed, unpacked)
        for tensor, dtype in low:
            tensor.data = tensor.data.to(dtype)
            tensor.grad = None


def _low_tensors(model: Any) -> list[Tensor]:
    return [tensor for tensor in (*model.parameters(), *model.buffers()) if tensor.dtype in LOW]
