"""Which weights are these? A short name for a model's exact weights, so that an adapter never lands on others."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

SAMPLES = 256
"""Numbers read of each tensor, evenly spaced: training, merging or another release changes nearly all of them."""


def fingerprint(model: Any) -> str:
    """sha256 over name, shape, dtype and a sample of every weight; the same on every device."""
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        add_tensor(digest, name, parameter)
    return digest.hexdigest()


def add_tensor(digest: Any, name: str, tensor: torch.Tensor) -> None:
    """Feed name, shape, dtype and a sample of one tensor into a running digest of hashlib."""
    flat = tensor.detach().reshape(-1)
    picks = torch.linspace(0, flat.numel() - 1, min(SAMPLES, flat.numel()), dtype=torch.float64).long()
    sample = flat[picks.to(flat.device)].cpu().contiguous().view(torch.uint8)
    digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
    digest.update(sample.numpy().tobytes())
