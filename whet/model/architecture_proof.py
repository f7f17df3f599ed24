"""Does Whet read this architecture rightly? Proved on a few random tokens, never assumed from a name.

`prove_head`: hidden states and output layer must give the model's own logits. `forest_refusal`: a small forest must
give the hidden states of the plain rows; whatever mixes neighbours (recurrent layers, convolutions over the line,
masks of its own) is found here, whichever rows the data begins with. `fuse`: fused layers must give the hidden states
of the layers that they replace.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from whet.data.batches.forest import build_batch
from whet.errors import ModelError
from whet.model.adapter import causal_lm, perturbed, trunk_of
from whet.model.attention.forest import FOREST
from whet.model.experts import expert_tensors
from whet.model.float32_copy import in_float32, is_low, why_not_widened
from whet.model.fused import install as fused
from whet.model.policy import Policy, evaluating, training
from whet.text.normalise import one_line
from whet.types import Batch, Segment

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.03}
"""Largest relative difference of a token's vector that rounding explains."""
LAYERS = {"full_attention", "sliding_attention"}
UNREAD = (AttributeError, TypeError, ValueError, RuntimeError, LookupError, AssertionError)
"""What a model raises that is not read as one."""
TRIALS = 5
"""Rows in whose median other experts for single tokens are not seen."""
SHAPE = ((7, None), (4, None), (3, 0), (5, 0), (4, 2))
"""Length and parent of the trial's segments: a tree three deep, and a neighbour."""


def forest_refusal(model: Any) -> str | None:
    """Why this architecture takes the plain path, or None when the forest carries it."""
    return _known_refusal(model) or _try_shape(model)


def install_forest(model: Any) -> None:
    """Point the model's attention at the forest (which is plain SDPA while no forest is active), if it carries it."""
    install_paths(model, kernels=False)


def install_paths(model: Any, kernels: bool) -> bool:
    """Prepare a loaded model for the fast paths that are proved right for it: the forest, and with `kernels` the fused
    layers, too. False where it must be read row by row."""
    if forest_refusal(model) is not None:
        return False

    _set_attention(model, FOREST)
    if kernels:
        fuse(model)
    return True


def fuse(model: Any) -> str | None:
    """Let the kernels of whet/model/fused compute the layers; or the reason, in words, why they do not.

    Adapters must be injected before. Proved on a small forest with the adapters away from zero; undone on a mismatch.
    """
    inner = causal_lm(model)
    if next(inner.parameters()).device.type != "cpu":
        return "the fused layers were written and measured for processors only"

    trunk, batch = trunk_of(inner), _trial_batch(inner)
    fused.uninstall(trunk)

    with evaluating(inner), torch.no_grad(), perturbed(model):
        own = Policy(model).hidden(batch)
        if not fused.install(trunk):
            if getattr(getattr(model, "active_peft_config", None), "use_dora", False):
                return "dora is computed by PEFT, not by the fused kernels"
            if _trains_inside(trunk):
                return "modules inside of the layers are trained whole, which the fused kernels do not compute"
            return f"{inner.config.model_type} has no layer that the fused kernels compute"

        distance = _distance(Policy(model).hidden(batch), own)

    if distance <= TOLERANCE[own.dtype]:
        return None

    fused.uninstall(trunk)
    return f"the fused layers give other hidden states than the architecture's own ({distance:.2%} apart)"


def _trains_inside(trunk: Any) -> bool:
    from peft.utils import ModulesToSaveWrapper

    layers = getattr(trunk, "layers", [])
    return any(isinstance(module, ModulesToSaveWrapper) for layer in layers for module in layer.modules())


def unfuse(model: Any) -> None:
    """Every layer computes itself again."""
    fused.uninstall(trunk_of(model))


def prove_head(model: Any, name: str) -> None:
    """Raise ModelError when trunk and output layer, read as Whet reads them, do not give the model's own logits; when a
    token's logits depend on later tokens, on padding or on other rows; when a training pass does not run."""
    with evaluating(model), torch.no_grad():
        ids_1T = _trial_batch(model).ids_T[None].to(next(model.parameters()).device)
        try:
            own_TV = model(input_ids=ids_1T, use_cache=False).logits[0]
            policy = Policy(model, use_forest=False)
            hidden_TD = policy.trunk(input_ids=ids_1T, use_cache=False).last_hidden_state[0]

            fits = hidden_TD.shape[1] == policy.head.weight_VD.shape[1]
            if fits:
                distance = _distance(policy.head.logits(hidden_TD), own_TV)
            else:
                distance = float("inf")

            alone, alone_allowed = _moved_by_others(model, ids_1T, own_TV)
            with torch.random.fork_rng(), training(model):
                model(input_ids=ids_1T[:, :-1], use_cache=False)
        except UNREAD as error:
            raise ModelError(
                f"this is no causal language model that Whet can read: {_line(error)}", where="base", value=name
            ) from error

    kind = type(model).__name__
    allowed = TOLERANCE[next(model.parameters()).dtype]
    if not distance <= allowed:
        if fits:
            apart = f"they differ by {distance:.2%}"
        else:
            apart = "they are of other sizes"
        raise ModelError(
            f"{kind} does something between its hidden states and its logits that Whet does not know ({apart})",
            where="base",
            value=name,
            fix="use another base; reading this one would give wrong likelihoods",
        )
    if not alone <= alone_allowed:
        raise ModelError(
            f"{kind} reads a token otherwise when others follow it, or when a longer row is beside it ({alone:.2%} "
            "apart): it does not write from left to right",
            where="base",
            value=name,
            fix="use a base that does; this one would learn from what it is to predict",
        )


def _moved_by_others(model: Any, ids_1T: Tensor, own_TV: Tensor) -> tuple[float, float]:
    """How far the logits of the first half of a row move at most beside the whole row, and how far
    rounding may move them. Of all its tokens: one that sees the next moves the last of the half alone.

    Where the shape of a batch sends single tokens to other experts, float32 decides; and where that finds no room, what
    moves in most trials.
    """
    half, allowed = ids_1T.shape[1] // 2, TOLERANCE[next(model.parameters()).dtype]
    distances = _distances(_beside_a_longer_row(model, ids_1T), own_TV[:half])

    largest, usual = float(distances.max()), float(distances.median())
    if largest <= allowed or not usual <= allowed or not _changes_experts(model):
        return largest, allowed
    if why_not_widened(model):
        return _moved_in_most_trials(model, ids_1T), allowed

    with in_float32(model):
        wide_TV = model(input_ids=ids_1T, use_cache=False).logits[0, :half]
        return _distance(_beside_a_longer_row(model, ids_1T), wide_TV), TOLERANCE[torch.float32]


def _moved_in_most_trials(model: Any, ids_1T: Tensor) -> float:
    """How far the logits at a place of a row move in the median of several rows, at the place where that is most.

    Rounding sends other tokens to other experts in each row; what sees ahead does so at the same places in all.
    """
    random, half, trials = torch.Generator().manual_seed(1), ids_1T.shape[1] // 2, []
    for _ in range(TRIALS):
        row_1T = torch.randint(int(ids_1T.max()) + 1, ids_1T.shape, generator=random).to(ids_1T.device)
        alone_TV = model(input_ids=row_1T, use_cache=False).logits[0, :half]
        trials.append(_distances(_beside_a_longer_row(model, row_1T), alone_TV))
    return float(torch.stack(trials).median(dim=0).values.max())


def _changes_experts(model: Any) -> bool:
    """Whether rounding can send single tokens to other experts: a mixture of them in 16 bits."""
    return is_low(model) and bool(expert_tensors(model))


def _beside_a_longer_row(model: Any, ids_1T: Tensor) -> Tensor:
    """Logits of the first half of a row, padded, in a batch with the whole row."""
    half = ids_1T.shape[1] // 2
    ids_2T, mask_2T = ids_1T.repeat(2, 1), torch.ones_like(ids_1T).repeat(2, 1)
    ids_2T[0, half:], mask_2T[0, half:] = 0, 0
    return model(input_ids=ids_2T, attention_mask=mask_2T, use_cache=False).logits[0, :half]


def _line(error: Exception) -> str:
    """The first sentence of what a library says."""
    text = one_line(str(error))
    first = text.split(". ")[0][:200]
    if isinstance(error, LookupError) or not first:
        return f"{type(error).__name__} {first}"
    return first


def _known_refusal(model: Any) -> str | None:
    config = model.config.get_text_config()
    if not model._can_set_attn_implementation():
        return f"{config.model_type} has its own attention that transformers' attention registry does not reach"
    if not model._supports_sdpa and not hasattr(config, "attn_logit_softcapping"):
        return f"{config.model_type} has an attention that SDPA does not compute"

    unknown = set(getattr(config, "layer_types", None) or LAYERS) - LAYERS
    if unknown:
        return f"{config.model_type} has layers that are not attention over the path ({', '.join(sorted(unknown))})"
    return None


def _try_shape(model: Any) -> str | None:
    """In the model's dtype; where that speaks against a mixture of experts in 16 bits, in 32, which do not round tokens
    to other experts."""
    refusal, distance = _try_forest(model)
    if refusal is None or not math.isfinite(distance) or not _changes_experts(model) or why_not_widened(model):
        return refusal
    with in_float32(model):
        return _try_forest(model)[0]


def _try_forest(model: Any) -> tuple[str | None, float]:
    """Hidden states of every token of a small forest, against one padded row a path: what speaks against it, and how
    far apart they are at most (not finite where they cannot be compared)."""
    batch = _trial_batch(model)
    before = model.config.get_text_config()._attn_implementation
    with evaluating(model), torch.no_grad():
        plain = Policy(model, use_forest=False).hidden(batch)
        try:
            _set_attention(model, FOREST)
            distance = _distance(Policy(model, use_forest=True).hidden(batch), plain)
        except (ModelError, TypeError, ValueError, RuntimeError) as error:
            return f"{model.config.model_type}: {error.what if isinstance(error, ModelError) else error}", math.inf
        finally:
            _set_attention(model, before)

    if distance <= TOLERANCE[plain.dtype]:
        return None, distance

    apart = f"gives other hidden states over a forest than row by row ({distance:.2%} apart)"
    return f"{model.config.model_type} {apart}", distance


def _set_attention(model: Any, name: str) -> None:
    """Of the part that reads text alone: what reads images or sound keeps its own."""
    text = model.config.get_text_config()
    parts = [key for key in model.config.sub_configs if getattr(model.config, key, None) is text]
    model.set_attn_implementation({parts[0]: name} if parts else name)


def _trial_batch(model: Any) -> Batch:
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)
    segments = []
    for length, parent in SHAPE:
        ids = torch.randint(vocabulary, (length,), generator=generator).tolist()
        segments.append(Segment(ids, [float(parent is not None)] + [1.0] * (length - 1), 0, parent))
    return build_batch(segments)


def _distance(left_ND: Tensor, right_ND: Tensor) -> float:
    """Largest relative difference over the N vectors; not a number where one of them is not."""
    return float(_distances(left_ND, right_ND).max())


def _distances(left_ND: Tensor, right_ND: Tensor) -> Tensor:
    left_ND, right_ND = left_ND.float(), right_ND.float()
    return (left_ND - right_ND).norm(dim=-1) / right_ND.norm(dim=-1).clamp_min(1e-12)
