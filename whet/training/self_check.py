"""Before the first step: does the fast path compute what the plain one does? Loss and gradient, on real rows.

The plain path is independent: the model's own forward, one right-padded example a row, and torch's log-softmax. What is
compared, and how closely: in the run's dtype the whole, and in float32 each layer (whet/training/layerwise.py). On a
mismatch the run takes the plain path and says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from whet.data.batches.forest import build_batch, segments_of, select_trees, trees
from whet.errors import ModelError, ProofError
from whet.losses.next_token import sft_loss
from whet.model.accelerator import wait_for
from whet.model.adapter import causal_lm, perturbed
from whet.model.architecture_proof import forest_refusal, fuse, unfuse
from whet.model.attention.flex import flex_runs_on
from whet.model.experts import expert_tensors
from whet.model.float32_copy import in_float32, is_low, why_not_widened
from whet.model.policy import FULL_LOGITS, Policy, evaluating, reference_logprobs
from whet.training.layerwise import LAYER_LIMIT, LOSS_LIMIT, largest_difference
from whet.types import Batch

TOLERANCE = {torch.float32: (1e-4, 1e-3), torch.bfloat16: (2e-2, 1e-1), torch.float16: (1e-2, 5e-2)}
"""Largest relative difference of loss and of gradient. bfloat16 keeps 8 bits: rounding alone gives about 1% to 5%. What
is smaller than that is found in float32."""


WAIVED = 5.0
"""Times the limit of the loss that single tokens may explain which 16 bits send to other experts: those are few among
the tokens of a batch. Float32 then has to show that the path is right."""
LEAST_LOSS = 0.05
"""Nats. A loss below it, of rows that the base knows already, is compared as if it were so large: it is a sum of
log-probabilities whose own rounding (some 1e-7 of several nats) does not shrink with it."""
KEPT = "the path that the run took up to its checkpoint"
ROWS = 8
"""Trees of the first batch that are compared: enough to mix lengths, cheap for a large model."""
WIDE_ROWS = 3
"""Trees that a 16-bit model reads in float32, too: several lengths, and less memory than ROWS in 16 bits."""
LOGITS = FULL_LOGITS
"""Most logits of the plain path that they are compared with; two trees are read in any case, in chunks if need be."""


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

    return build_batch(select_trees(segments, groups[:taken]))


@dataclass(frozen=True, slots=True)
class CheckedLoss:
    """One number that says how a method reads a batch, differentiable: as the policy reads it, and plainly."""

    fast: Callable[[Batch], Tensor]
    plain: Callable[[Batch], Tensor]


def next_token_loss(policy: Policy) -> CheckedLoss:
    """The loss of the supervised tokens."""

    def plain(batch: Batch) -> Tensor:
        return sft_loss(reference_logprobs(causal_lm(policy.model), batch), batch.weight_N).total / batch.weight

    return CheckedLoss(lambda batch: sft_loss(policy.logprobs(batch), batch.weight_N).total / batch.weight, plain)


@dataclass(slots=True)
class SelfCheck:
    """What was compared, and what came out; stored in the run."""

    path: str
    """fused: Whet's kernels; flex: FlexAttention over packed rows; forest: the same with SDPA; plain: padded rows."""
    reason: str
    tokens: int = 0
    loss_fast: float | None = None
    loss_plain: float | None = None
    loss_difference: float | None = None
    gradient_difference: float | None = None
    layer_difference: float | None = None
    """In float32: the largest relative difference of one layer's gradient; None where that was not compared."""
    passed: bool = True
    """False where a faster path was tried and computed something else."""

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def self_check(
    policy: Policy,
    batch: Batch,
    wanted: str,
    reading: CheckedLoss | None = None,
    whole: Batch | None = None,
    kept: str | None = None,
) -> SelfCheck:
    """Choose the path for this run and prove it on `batch`; adapters are moved away from zero for the comparison.
    `reading` is that of tokens, unless given. `kept` is the path that a run which is resumed took before: no other is
    taken. Raises ProofError where it cannot be.

    Where two paths are right and neither is always faster (GPUs), both are timed on `whole`, a batch of the run.
    Leaves no gradients behind. Sets `policy.use_forest` and `policy.flat`, and installs or removes the fused layers.
    """
    reading = reading or next_token_loss(policy)
    refusal = forest_refusal(causal_lm(policy.model))
    if refusal and kept not in (None, "plain"):
        raise _not_kept(kept, refusal)
    if wanted == "plain" or refusal or kept == "plain":
        policy.use_forest = False
        return SelfCheck("plain", refusal or ("asked for in the recipe" if wanted == "plain" else KEPT))

    with evaluating(policy.model), perturbed(policy.model):  # dropout would make the two passes differ
        plain = _plainly(policy, batch, reading)
        check = _first_that_agrees(policy, batch, wanted, reading, plain, whole or batch, kept)

    if kept is not None and check.path != kept:
        raise _not_kept(kept, check.reason)

    policy.use_forest = check.path != "plain"
    return check


def _first_that_agrees(
    policy: Policy,
    batch: Batch,
    wanted: str,
    reading: CheckedLoss,
    plain: Plain,
    whole: Batch,
    kept: str | None,
) -> SelfCheck:
    """The fastest path that computes what the plain one does."""
    tokens, failed = int(batch.ids_T.shape[0]), ""
    policy.use_forest = True

    check = SelfCheck("plain", "", tokens, loss_plain=plain.loss)
    for path in _candidates(policy, wanted, kept):
        _set_up(policy, path)
        try:
            loss, gradient = _loss_and_gradient(policy, batch, reading.fast)
        except (RuntimeError, ModelError) as error:
            if path != "flex":
                raise

            failed = f"FlexAttention does not run here ({_first_line(error)}); "
            continue

        loss_difference = abs(loss - plain.loss) / max(abs(plain.loss), LEAST_LOSS)
        gradient_difference = _relative_difference(gradient, plain.gradient)
        loss_limit, gradient_limit = TOLERANCE[next(policy.model.parameters()).dtype]
        compared = f"loss differs by {loss_difference:.1e}, gradient by {gradient_difference:.1e}"
        reason = f"{failed}{compared} (relative; allowed {loss_limit:g} and {gradient_limit:g})"
        check = SelfCheck(path, reason, tokens, loss, plain.loss, loss_difference, gradient_difference)
        check.passed = not failed
        right = loss_difference <= loss_limit and gradient_difference <= gradient_limit

        waived = not right and loss_difference <= WAIVED * loss_limit and _experts_explain(policy, plain, gradient)
        if waived:
            reason = f"{reason}, which single tokens explain that go to other experts"

        if right or waived:
            right, check.layer_difference, words = _layers_agree(policy, reading, plain, gradient, loss)
            right = right and not (waived and check.layer_difference is None)  # nothing else has shown it to be right
            reason = check.reason = f"{reason}; {words}"

        if right:
            if path == "flex" and kept is None:
                return _faster(policy, reading, check, whole)
            return check

        failed = f"{reason} on the {path} path, which was given up; "

    _set_up(policy, "plain")
    return replace(check, path="plain", reason=failed.removesuffix("; "), passed=False)


def _experts_explain(policy: Policy, plain: Plain, gradient: list[Tensor]) -> bool:
    """Whether other experts for single tokens may explain a mismatch: in 16 bits, with all numbers finite, and where
    float32, in which no token goes elsewhere, can decide."""
    if plain.wide is None or not is_low(policy.model) or not expert_tensors(causal_lm(policy.model)):
        return False
    return all(math.isfinite(float(piece.float().norm())) for piece in gradient)


@dataclass(frozen=True, slots=True)
class Plain:
    """What the plain path gives: in the run's dtype, and in float32 where the model could be widened."""

    loss: float
    gradient: list[Tensor]
    wide: tuple[float, list[Tensor]] | None
    few: Batch
    """What is read in float32: of a 16-bit model so few trees that they take no more memory than the rest did."""
    why_not: str = ""


def _plainly(policy: Policy, batch: Batch, reading: CheckedLoss) -> Plain:
    loss, gradient = _loss_and_gradient(policy, batch, reading.plain)
    if not is_low(policy.model):
        return Plain(loss, gradient, (loss, gradient), batch)
    segments = segments_of(batch)
    few = build_batch(select_trees(segments, trees(segments)[:WIDE_ROWS]))

    why_not = why_not_widened(policy.model)
    if why_not:
        return Plain(loss, gradient, None, few, why_not)
    with in_float32(policy.model):
        return Plain(loss, gradient, _loss_and_gradient(policy, few, reading.plain), few)


def _layers_agree(
    policy: Policy, reading: CheckedLoss, plain: Plain, gradient: list[Tensor], loss: float
) -> tuple[bool, float | None, str]:
    """Whether every layer agrees in float32, the largest difference of one, and both in words. `gradient` and `loss`
    are those of the fast path in the run's dtype."""
    if plain.wide is None:
        return True, None, f"not compared in float32: {plain.why_not}"

    if is_low(policy.model):
        try:
            with in_float32(policy.model):
                loss, gradient = _loss_and_gradient(policy, plain.few, reading.fast)
        except (RuntimeError, ModelError) as error:
            if not policy.flat:
                raise
            return True, None, f"not compared in float32: FlexAttention does not run so ({_first_line(error)})"

    apart = abs(loss - plain.wide[0]) / max(abs(plain.wide[0]), LEAST_LOSS)
    difference, layer = largest_difference(list(policy.trainable()), gradient, plain.wide[1])
    words = f"in float32 loss by {apart:.1e}, the gradient of a layer by at most {difference:.1e} ({layer}; allowed "
    words += f"{LOSS_LIMIT:.1g} and {LAYER_LIMIT:.1g})"

    return apart <= LOSS_LIMIT and difference <= LAYER_LIMIT, difference, words


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _candidates(policy: Policy, wanted: str, kept: str | None) -> tuple[str, ...]:
    """Paths over packed rows, the one to try first at the front; the one that is kept alone. Raises ProofError where
    that cannot be taken."""
    if kept is not None:
        if kept == "fused":
            refusal = fuse(policy.model)
        else:
            refusal = None

        if refusal:
            raise _not_kept(kept, refusal)
        return (kept,)
    if wanted != "auto":
        return ("forest",)
    if flex_runs_on(policy.device):
        return ("flex", "forest")
    if fuse(policy.model):
        return ("forest",)
    return ("fused", "forest")


def _not_kept(kept: str | None, why: str) -> ProofError:
    return ProofError(
        f"this run took the {kept} path up to its checkpoint, and that path cannot be taken here: {why or 'no reason'}",
        fix="resume it on the machine and with the versions that it began on; or remove the run folder to start again",
    )


def _set_up(policy: Policy, path: str) -> None:
    policy.flat = path == "flex"
    if path != "fused":
        unfuse(policy.model)


def _faster(policy: Policy, reading: CheckedLoss, check: SelfCheck, whole: Batch) -> SelfCheck:
    """The path of `check` (flex), or the same packed rows through SDPA where that takes less time."""
    flex = _seconds(policy, reading, whole)
    _set_up(policy, "forest")
    forest = _seconds(policy, reading, whole)
    path = "flex" if flex <= forest else "forest"
    _set_up(policy, path)
    timed = f"forwards and backwards over {len(whole.ids_T):,} tokens {flex:.3f} s by flex, {forest:.3f} s by forest"
    return replace(check, path=path, reason=f"{check.reason}; {timed}")


def _seconds(policy: Policy, reading: CheckedLoss, batch: Batch) -> float:
    """The second of two passes: the first compiles."""
    _loss_and_gradient(policy, batch, reading.fast)
    wait_for(policy.device)
    began = time.perf_counter()
    _loss_and_gradient(policy, batch, reading.fast)
    wait_for(policy.device)
    return time.perf_counter() - began


def _loss_and_gradient(policy: Policy, batch: Batch, read: Callable[[Batch], Tensor]) -> tuple[float, list[Tensor]]:
    """The number, and its gradient for every trained weight in the weight's own dtype."""
    loss = read(batch)
    loss.backward()
    pieces = []
    for parameter in policy.trainable().values():
        pieces.append(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
        parameter.grad = None
    return loss.item(), pieces


def _relative_difference(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """|ours - theirs| / |theirs| over all tensors together, in float32, one tensor at a time."""
    apart = [torch.linalg.vector_norm(a.float() - b.float()) for a, b in zip(ours, theirs, strict=True)]
    size = [torch.linalg.vector_norm(b, dtype=torch.float32) for b in theirs]
    return float(torch.stack(apart).norm() / torch.stack(size).norm().clamp_min(1e-12))
