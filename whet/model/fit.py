"""Does Whet read this architecture rightly? Proved on a few random tokens, never assumed from a name.

`prove_head`: hidden states and output layer must give the model's own logits. `forest_refusal`: a small forest must
give the hidden states of the plain rows; whatever mixes neighbours (recurrent layers, convolutions over the line,
masks of its own) is found here, whichever rows the data begins with. `fuse`: fused layers must give the hidden states
of the layers that they replace.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from whet.data.forest import build_batch
from whet.errors import ModelError
from whet.model.adapter import causal_lm, stirred
from whet.model.attention import FOREST
from whet.model.fused import install as fused
from whet.model.policy import Policy, evaluating
from whet.types import Batch, Segment

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.03}
"""Largest relative difference of a token's vector that rounding explains."""
LAYERS = {"full_attention", "sliding_attention"}
SHAPE = ((7, None), (4, None), (3, 0), (5, 0), (4, 2))
"""Length and parent of the trial's segments: a tree three deep, and a neighbour."""


def forest_refusal(model: Any) -> str | None:
    """Why this architecture takes the plain path, or None when the forest carries it."""
    return _known_refusal(model) or _trial(model)


def install_forest(model: Any) -> None:
    """Point the model's attention at the forest (which is plain SDPA while no forest is active), if it carries it."""
    if forest_refusal(model) is None:
        model.set_attn_implementation(FOREST)


def fuse(model: Any) -> str | None:
    """Let the kernels of whet/model/fused compute the layers; or the reason, in words, why they do not.

    Adapters must be injected before. Proved on a small forest with the adapters away from zero; undone on a mismatch.
    """
    inner = causal_lm(model)
    if next(inner.parameters()).device.type != "cpu":
        return "the fused layers were written and measured for processors only"
    trunk, batch = inner.base_model, _trial_batch(inner)
    fused.uninstall(trunk)
    with evaluating(inner), torch.no_grad(), stirred(model):
        own = Policy(model).hidden(batch)
        if not fused.install(trunk):
            if getattr(getattr(model, "active_peft_config", None), "use_dora", False):
                return "dora is computed by PEFT, not by the fused kernels"
            return f"{inner.config.model_type} has no layer that the fused kernels compute"
        distance = _distance(Policy(model).hidden(batch), own)
    if distance <= TOLERANCE[own.dtype]:
        return None
    fused.uninstall(trunk)
    return f"the fused layers give other hidden states than the architecture's own ({distance:.2%} apart)"


def unfuse(model: Any) -> None:
    """Every layer computes itself again."""
    fused.uninstall(causal_lm(model).base_model)


def prove_head(model: Any, name: str) -> None:
    """Raise ModelError when trunk and output layer, read as Whet reads them, do not give the model's own logits."""
    with evaluating(model), torch.no_grad():
        ids_1T = _trial_batch(model).ids_T[None].to(next(model.parameters()).device)
        try:
            own = model(input_ids=ids_1T, use_cache=False).logits[0]
            policy = Policy(model, use_forest=False)
            ours = policy.head.logits(policy.trunk(input_ids=ids_1T, use_cache=False).last_hidden_state[0])
            distance = _distance(ours, own)
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"this is no causal language model that Whet can read: {error}", where="base", value=name
            ) from error
    if not distance <= TOLERANCE[next(model.parameters()).dtype]:
        raise ModelError(
            f"{type(model).__name__} does something between its hidden states and its logits that Whet does not know "
            f"(they differ by {distance:.2%})",
            where="base",
            value=name,
            fix="use another base; reading this one would give wrong likelihoods",
        )


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


def _trial(model: Any) -> str | None:
    """Hidden states of every token of a small forest, against one padded row a path."""
    batch = _trial_batch(model)
    before = model.config._attn_implementation
    with evaluating(model), torch.no_grad():
        plain = Policy(model, use_forest=False).hidden(batch)
        try:
            model.set_attn_implementation(FOREST)
            distance = _distance(Policy(model, use_forest=True).hidden(batch), plain)
        except (ModelError, TypeError, ValueError, RuntimeError) as error:
            return f"{model.config.model_type}: {error.what if isinstance(error, ModelError) else error}"
        finally:
            model.set_attn_implementation(before)
    if distance <= TOLERANCE[plain.dtype]:
        return None
    return f"{model.config.model_type} gives other hidden states over a forest than row by row ({distance:.2%} apart)"


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
    left_ND, right_ND = left_ND.float(), right_ND.float()
    return float(((left_ND - right_ND).norm(dim=-1) / right_ND.norm(dim=-1).clamp_min(1e-12)).max())
