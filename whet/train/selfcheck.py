"""Before the first step: does the fast path compute what the plain one does? Loss and gradient, on real rows.

The plain path is independent: the model's own forward with full logits, one right-padded example a row, and torch's
log-softmax. On a mismatch the run takes the plain path and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from whet.data.forest import build_batch, pick, segments_of, trees
from whet.loss.sft import sft_loss
from whet.model.adapter import causal_lm, stirred
from whet.model.fit import forest_refusal, fuse, unfuse
from whet.model.policy import Policy, evaluating, reference_logprobs
from whet.types import Batch

TOLERANCE = {torch.float32: (1e-4, 1e-3), torch.bfloat16: (2e-2, 1e-1), torch.float16: (1e-2, 5e-2)}
"""Largest relative difference of loss and of gradient. bfloat16 keeps 8 bits: rounding alone gives about 1% to 5%."""


ROWS = 8
"""Trees of the first batch that are compared: enough to mix lengths, cheap for a large model."""
LOGITS = 16 * 1024 * 1024
"""Most logits of the plain path that they are compared with; two trees are read in any case."""


def sample_of(batch: Batch, vocabulary: int) -> Batch:
    """Short trees of a batch as a batch of their own: few enough that the plain path's full logits stay small."""
    segments = segments_of(batch)
    groups = sorted(trees(segments), key=lambda group: sum(batch.lengths[number] for number in group))
    taken, logits = 0, 0
    for group in groups[:ROWS]:
        logits += sum(batch.lengths[number] for number in group) * vocabulary
        if logits > LOGITS and taken >= 2:
            break
        taken += 1
    return build_batch(pick(segments, groups[:taken]))


@dataclass(frozen=True, slots=True)
class Reading:
    """One number that says how a method reads a batch, differentiable: as the policy reads it, and plainly."""

    fast: Callable[[Batch], Tensor]
    plain: Callable[[Batch], Tensor]


def token_reading(policy: Policy) -> Reading:
    """The loss of the supervised tokens."""

    def plain(batch: Batch) -> Tensor:
        return sft_loss(reference_logprobs(causal_lm(policy.model), batch), batch.weight_N).total / batch.weight

    return Reading(lambda batch: sft_loss(policy.logprobs(batch), batch.weight_N).total / batch.weight, plain)


@dataclass(slots=True)
class SelfCheck:
    """What was compared, and what came out; stored in the run."""

    path: str
    """fused: Whet's kernels; forest: the architecture's own layers over packed rows; plain: padded rows."""
    reason: str
    tokens: int = 0
    loss_fast: float | None = None
    loss_plain: float | None = None
    loss_difference: float | None = None
    gradient_difference: float | None = None
    passed: bool = True
    """False where a faster path was tried and computed something else."""

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def self_check(policy: Policy, batch: Batch, wanted: str, reading: Reading | None = None) -> SelfCheck:
    """Choose the path for this run and prove it on `batch`; adapters are moved away from zero for the comparison.
    `reading` is that of tokens, unless given.

    Leaves no gradients behind. Sets `policy.use_forest`, and installs or removes the fused layers.
    """
    reading = reading or token_reading(policy)
    refusal = forest_refusal(causal_lm(policy.model))
    if wanted == "plain" or refusal:
        policy.use_forest = False
        return SelfCheck("plain", refusal or "asked for in the recipe")
    with evaluating(policy.model), stirred(policy.model):  # dropout would make the two passes differ
        plain = _loss_and_gradient(policy, batch, reading.plain)
        check = _first_that_agrees(policy, batch, wanted, reading, plain)
    policy.use_forest = check.path != "plain"
    return check


def _first_that_agrees(
    policy: Policy, batch: Batch, wanted: str, reading: Reading, plain: tuple[float, Tensor]
) -> SelfCheck:
    """The fastest path that computes what the plain one does."""
    tokens, failed = int(batch.ids_T.shape[0]), ""
    policy.use_forest = True
    refusal = fuse(policy.model) if wanted == "auto" else "asked for in the recipe"
    for path in ("forest",) if refusal else ("fused", "forest"):
        if path == "forest":
            unfuse(policy.model)
        loss, gradient = _loss_and_gradient(policy, batch, reading.fast)
        loss_difference = abs(loss - plain[0]) / max(abs(plain[0]), 1e-6)
        gradient_difference = float((gradient - plain[1]).norm() / plain[1].norm().clamp_min(1e-12))
        loss_limit, gradient_limit = TOLERANCE[next(policy.model.parameters()).dtype]
        compared = f"loss differs by {loss_difference:.1e}, gradient by {gradient_difference:.1e}"
        reason = f"{failed}{compared} (relative; allowed {loss_limit:g} and {gradient_limit:g})"
        check = SelfCheck(path, reason, tokens, loss, plain[0], loss_difference, gradient_difference, not failed)
        if loss_difference <= loss_limit and gradient_difference <= gradient_limit:
            return check
        failed = f"{reason} on the {path} path, which was given up; "
    return replace(check, path="plain", reason=failed.removesuffix("; "), passed=False)


def _loss_and_gradient(policy: Policy, batch: Batch, read: Callable[[Batch], Tensor]) -> tuple[float, Tensor]:
    loss = read(batch)
    loss.backward()
    pieces = []
    for parameter in policy.trainable().values():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.detach()
        pieces.append(gradient.float().flatten())
        parameter.grad = None
    return loss.item(), torch.cat(pieces)
