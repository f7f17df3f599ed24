"""AdamW in half the memory: both moments in bfloat16, weights without float32 originals, rounded stochastically.

To nearest, bfloat16 would lose every change smaller than 1/512 of a number. Rounded up with the probability of what is
cut off, x becomes x on average, and small steps add up (Gupta et al. 2015, arXiv 1502.02551, section 3; for bfloat16
training Zamirai et al. 2020, arXiv 2010.06192).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

PART = 256 * 1024
"""Numbers that exist in float32 at once: 1 MB a tensor, so that all of them stay in a processor's cache."""


class StochasticAdamW(torch.optim.Optimizer):
    """Decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2). The arithmetic is float32;
    weights keep their dtype. The random bits depend on the step and on the weight's place alone, so that a resumed run
    draws the same."""

    def __init__(self, groups: Any, lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        everything = ((group, weight) for group in self.param_groups for weight in group["params"])
        for place, (group, weight) in enumerate(everything):
            if weight.grad is not None:
                self._update(weight, group, place)

    def _update(self, weight: Tensor, group: dict[str, Any], place: int) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(weight, dtype=torch.bfloat16) for _ in range(2))

        step = state["step"] = int(state["step"]) + 1
        noise = Noise((step << 20) + place, min(weight.numel(), PART), weight.device)
        (beta1, beta2), rate, epsilon = group["betas"], group["lr"], group["eps"]
        assert weight.grad is not None

        for part, gradient, first, second in _parts(weight, weight.grad, state["exp_avg"], state["exp_avg_sq"]):
            g = gradient.float()
            m = first.float().lerp_(g, 1 - beta1)
            v = second.float().mul_(beta2).addcmul_(g, g, value=1 - beta2)
            noise.store(first, m)
            noise.store(second, v)
            size = v.div_(1 - beta2**step).sqrt_().add_(epsilon)
            changed = part.float().mul_(1 - rate * group["weight_decay"])
            noise.store(part, changed.addcdiv_(m, size, value=-rate / (1 - beta1**step)))


class Noise:
    """Random bits below the last place of a bfloat16, drawn once for a weight and read from another place each time:
    every number is rounded by a fresh draw, though not all by independent ones."""

    SPARE = 4096

    def __init__(self, seed: int, numbers: int, device: torch.device) -> None:
        self.random = torch.Generator().manual_seed(seed)
        bits = torch.Generator(device).manual_seed(seed)
        shape = (numbers + self.SPARE,)
        self.bits = torch.randint(0, 1 << 16, shape, dtype=torch.int32, device=device, generator=bits)

    def store(self, target: Tensor, value: Tensor) -> None:
        """Round a float32 value into a bfloat16 target; into any other as it is."""
        if target.dtype != torch.bfloat16:
            target.copy_(value)
            return
        start = int(torch.randint(0, self.SPARE, (), generator=self.random))
        target.copy_(round_stochastically(value, self.bits[start : start + value.numel()]))


def round_stochastically(x: Tensor, noise: Tensor) -> Tensor:
    """float32 cut off to bfloat16 after up to one unit was added: one of the two neighbours, the nearer one more often,
    so that the mean is x. `noise` has 16 random bits a number (int32)."""
    return (x.view(torch.int32) + noise).bitwise_and_(-(1 << 16)).view(torch.float32).to(torch.bfloat16)


def _parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The tensors side by side, flat, a part at a time."""
    flat = [tensor.view(-1) for tensor in tensors]
    for start in range(0, flat[0].numel(), PART):
        yield tuple(x[start : start + PART] for x in flat)
