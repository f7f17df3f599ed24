"""Muon whose matrix products are float32, for processors: torch's own are bfloat16, which most processors emulate.

An emulated step takes some twenty times as long. The update itself is that of torch.optim.Muon with `match_rms_adamw`
(K. Jordan, https://kellerjordan.github.io/posts/muon/; the rate's scale: arXiv 2502.16982).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

MATCHED_RMS = 0.2
"""The size of AdamW's usual update, which Muon's is brought to."""


class Float32Muon(torch.optim.Muon):
    """torch.optim.Muon(adjust_lr_fn="match_rms_adamw"), with the same settings and the same state."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One update of every matrix that has a gradient. `closure` is not supported."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        if "momentum_buffer" not in self.state[weight]:
            self.state[weight]["momentum_buffer"] = torch.zeros_like(gradient)

        average = self.state[weight]["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
        looked_ahead = gradient.lerp(average, group["momentum"])
        direction = orthogonal(looked_ahead, group["ns_coefficients"], group["ns_steps"], group["eps"])

        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(direction, alpha=-group["lr"] * MATCHED_RMS * math.sqrt(max(weight.shape)))


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, epsilon: float) -> Tensor:
    """Newton-Schulz iteration, (N, M) to (N, M): the singular vectors stay, all singular values come to lie between
    about 0.5 and 1.5. In the dtype of the matrix."""
    a, b, c = coefficients
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    found = wide / wide.norm().clamp(min=epsilon)

    for _ in range(steps):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)

    return found.T if matrix.shape[0] > matrix.shape[1] else found
