"""Before the first step: does the fast path compute what the plain one does? Loss and gradient, on real rows.

The plain path is independent: the model's own forward with full logits, one right-padded example a row, and torch's
log-softmax. On a mismatch the run takes the plain path and says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from whet.loss.sft import sft_loss
from whet.model.adapter import causal_lm
from whet.model.fit import forest_refusal
from whet.model.policy import Policy, reference_logprobs
from whet.types import Batch

TOLERANCE = {torch.float32: (1e-4, 1e-3), torch.bfloat16: (2e-2, 1e-1), torch.float16: (1e-2, 5e-2)}
"""Largest relative difference of loss and of gradient. bfloat16 keeps 8 bits: rounding alone gives about 1% to 5%."""


@dataclass(slots=True)
class SelfCheck:
    """What was compared, and what came out; stored in the run."""

    path: str
    reason: str
    tokens: int = 0
    loss_forest: float | None = None
    loss_plain: float | None = None
    loss_difference: float | None = None
    gradient_difference: float | None = None
    passed: bool = True

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def self_check(policy: Policy, batch: Batch, wanted: str) -> SelfCheck:
    """Choose the path for this run and prove it on `batch`. Leaves no gradients behind; sets `policy.use_forest`."""
    refusal = forest_refusal(causal_lm(policy.model))
    if wanted == "plain" or refusal:
        policy.use_forest = False
        return SelfCheck("plain", refusal or "asked for in the recipe")
    policy.use_forest = True
    training = policy.model.training
    policy.model.eval()  # dropout would make the two passes differ
    loss_forest, grad_forest = _loss_and_gradient(policy, batch, policy.logprobs)
    loss_plain, grad_plain = _loss_and_gradient(policy, batch, lambda b: reference_logprobs(causal_lm(policy.model), b))
    policy.model.train(training)
    loss_difference = abs(loss_forest - loss_plain) / max(abs(loss_plain), 1e-6)
    gradient_difference = float((grad_forest - grad_plain).norm() / grad_plain.norm().clamp_min(1e-12))
    loss_limit, gradient_limit = TOLERANCE[next(policy.model.parameters()).dtype]
    passed = loss_difference <= loss_limit and gradient_difference <= gradient_limit
    policy.use_forest = passed
    compared = f"loss differs by {loss_difference:.1e}, gradient by {gradient_difference:.1e}"
    return SelfCheck(
        path="forest" if passed else "plain",
        reason=f"{compared} (relative; allowed {loss_limit:g} and {gradient_limit:g})",
        tokens=int(batch.ids_T.shape[0]),
        loss_forest=loss_forest,
        loss_plain=loss_plain,
        loss_difference=loss_difference,
        gradient_difference=gradient_difference,
        passed=passed,
    )


def _loss_and_gradient(policy: Policy, batch: Batch, logprobs: Any) -> tuple[float, Tensor]:
    out = sft_loss(logprobs(batch), batch.weight_N)
    (out.total / batch.weight).backward()
    pieces = []
    for parameter in policy.trainable().values():
        if parameter.grad is not None:
            pieces.append(parameter.grad.detach().float().flatten())
        parameter.grad = None
    return out.total.item() / batch.weight, torch.cat(pieces)
