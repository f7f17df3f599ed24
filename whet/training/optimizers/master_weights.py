"""The optimiser: float32 originals of the trained weights, whatever dtype the forward pass works in.

A bfloat16 weight cannot take a step smaller than 1/256 of itself; so the update happens on a float32 copy that is
then rounded into the working weight. For float32 weights the copy is the weight itself, and with `state: bfloat16`
there is none (bf16_adamw.py).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from whet.errors import NonFiniteError
from whet.recipe.schema import Optimizer as Settings
from whet.recipe.schema import Schedule
from whet.training.optimizers.bf16_adamw import StochasticAdamW
from whet.training.optimizers.float32_muon import Float32Muon
from whet.training.optimizers.rate_hold import held_rate, hold_of

PART = 16 * 1024 * 1024
"""Numbers whose float32 gradients exist at once: 64 MB."""


def learning_rate_at(step: int, total: int, peak: float, schedule: Schedule, turned: int | None = None) -> float:
    """Learning rate of a step counted from 0: linear warm-up, then the schedule down to floor x peak. `turned` is the
    step from which a rate that was held goes down."""
    hold = hold_of(schedule, total)
    if schedule.warmup:
        warmup = max(1, round(schedule.warmup * (hold.shortest if hold else total)))
    else:
        warmup = 0

    if step < warmup:
        return peak * (step + 1) / warmup
    if hold:
        return peak * held_rate(step, schedule, hold, turned)
    if schedule.kind == "constant":
        return peak

    done = (step - warmup) / max(1, total - warmup)
    if schedule.kind == "linear":
        shape = 1 - done
    else:
        shape = 0.5 * (1 + math.cos(math.pi * done))

    return peak * (schedule.floor + (1 - schedule.floor) * shape)


class MasterOptimizer:
    """AdamW or Muon over float32 originals. State goes in and out as named tensors, never as a pickle."""

    def __init__(self, named: dict[str, nn.Parameter], settings: Settings, peak: float, total: int, schedule: Schedule):
        self.working = named
        bf16_state = settings.state == "bfloat16"
        self.masters = {name: p if bf16_state else _master(p) for name, p in named.items()}
        self.settings, self.peak, self.total, self.schedule = settings, peak, total, schedule
        self.optimizers = _build(self.masters, settings, peak)
        self.parts = _parts(named)
        self.turned: int | None = None
        """The step from which a rate that was held goes down (rate_hold.py)."""

    def step(self, step: int) -> tuple[float, float]:
        """One clipped update from the gradients in the working weights; returns (gradient norm, learning rate).

        Raises NonFiniteError, before anything is changed, when the gradient is not finite.
        """
        norm = self._norm()
        if not math.isfinite(norm):
            raise NonFiniteError(
                "the gradient is not finite; the weights were left as they were",
                where=f"step {step}",
                value=norm,
                fix="lower learning_rate, or set dtype: float32",
            )

        rate = learning_rate_at(step, self.total, self.peak, self.schedule, self.turned)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate

        scale = min(1.0, self.settings.clip / (norm + 1e-6))  # as torch.nn.utils.clip_grad_norm_
        gradients = self._take_gradients()
        for names in self.parts:
            self._update({name: gradients.pop(name) for name in names if name in gradients}, scale)

        self._write_working_copy()
        return norm, rate

    def _norm(self) -> float:
        """Of all gradients together, summed in float32."""
        grads = [p.grad for p in self.working.values() if p.grad is not None]
        norms = [torch.linalg.vector_norm(grad, dtype=torch.float32) for grad in grads]
        if norms:
            return float(torch.linalg.vector_norm(torch.stack(norms)))
        return 0.0

    def _take_gradients(self) -> dict[str, Tensor]:
        """The gradients by name, taken from the weights: a weight that is its own original would be stepped with every
        part."""
        gradients: dict[str, Tensor] = {}
        for name, parameter in self.working.items():
            if parameter.grad is not None:
                gradients[name], parameter.grad = parameter.grad, None
        return gradients

    def _update(self, gradients: dict[str, Tensor], scale: float) -> None:
        """Step the masters of some weights: their float32 gradients exist only meanwhile. Empties `gradients`."""
        names = list(gradients)
        for name in names:
            master = self.masters[name]
            master.grad = gradients.pop(name).to(master.dtype).mul_(scale)

        for optimizer in self.optimizers:
            optimizer.step()
        for name in names:
            self.masters[name].grad = None

    @torch.no_grad()
    def _write_working_copy(self) -> None:
        for name, parameter in self.working.items():
            if self.masters[name] is not parameter:
                parameter.copy_(self.masters[name])

    @torch.no_grad()
    def adopt(self) -> None:
        """Go on from the working weights, which somebody has replaced; the moments stay."""
        for name, parameter in self.working.items():
            if self.masters[name] is not parameter:
                self.masters[name].copy_(parameter)

    def state(self) -> dict[str, Tensor]:
        """Everything an exact resume needs: `master/NAME` and `state/NAME/KEY`."""
        tensors = {f"master/{name}": master.detach() for name, master in self.masters.items()}
        for name, master in self.masters.items():
            for optimizer in self.optimizers:
                for key, value in optimizer.state.get(master, {}).items():
                    tensors[f"state/{name}/{key}"] = torch.as_tensor(value)
        return tensors

    @torch.no_grad()
    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `state`; raises KeyError when a tensor is missing."""
        for name, master in self.masters.items():
            master.copy_(tensors[f"master/{name}"])

        for optimizer in self.optimizers:
            for master in (master for group in optimizer.param_groups for master in group["params"]):
                prefix = f"state/{self._name_of(master)}/"
                mine = {key: value for key, value in tensors.items() if key.startswith(prefix)}

                state = {key.removeprefix(prefix): value.to(master.device, copy=True) for key, value in mine.items()}
                if state:
                    optimizer.state[master] = state

        self._write_working_copy()

    def _name_of(self, wanted: Tensor) -> str:
        return next(name for name, master in self.masters.items() if master is wanted)


def _parts(named: dict[str, nn.Parameter]) -> list[list[str]]:
    """Names in parts of about `PART` numbers."""
    parts: list[list[str]] = [[]]
    room = PART
    for name, parameter in named.items():
        if parts[-1] and parameter.numel() > room:
            parts.append([])
            room = PART

        parts[-1].append(name)
        room -= parameter.numel()

    return parts


def _master(parameter: nn.Parameter) -> nn.Parameter:
    if parameter.dtype == torch.float32:
        return parameter
    return nn.Parameter(parameter.detach().float())


def state_bytes(parameter: nn.Parameter, settings: Settings) -> int:
    """What AdamW keeps for a weight: two moments, and a float32 original where the weight itself is not one."""
    if settings.state == "bfloat16":
        return 2 * 2 * parameter.numel()
    return (2 + (parameter.dtype != torch.float32)) * 4 * parameter.numel()


def _build(masters: dict[str, nn.Parameter], settings: Settings, peak: float) -> list[torch.optim.Optimizer]:
    hidden = [p for name, p in masters.items() if settings.kind == "muon" and p.ndim == 2 and not _is_table(name)]
    in_muon = {id(p) for p in hidden}
    rest = [p for p in masters.values() if id(p) not in in_muon]
    matrices = {"params": [p for p in rest if p.ndim >= 2], "weight_decay": settings.weight_decay}
    vectors = {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0}
    groups = [group for group in (matrices, vectors) if group["params"]]
    built: list[torch.optim.Optimizer] = []

    if groups:
        betas = (settings.beta1, settings.beta2)
        if settings.state == "bfloat16":
            built.append(StochasticAdamW(groups, peak, betas, settings.epsilon))
        else:
            built.append(torch.optim.AdamW(groups, lr=peak, betas=betas, eps=settings.epsilon, fused=True))

    if hidden:
        muon = Float32Muon if hidden[0].device.type == "cpu" else torch.optim.Muon
        # match_rms_adamw scales the update so that one learning rate serves both optimisers (arXiv 2502.16982)
        built.append(muon(hidden, lr=peak, weight_decay=settings.weight_decay, adjust_lr_fn="match_rms_adamw"))

    return built


def _is_table(name: str) -> bool:
    """Embeddings and output layers are tables of rows, not maps: Muon is not for them."""
    return any(part in name for part in ("embed", "wte", "wpe", "lm_head"))
