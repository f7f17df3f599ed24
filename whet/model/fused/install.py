"""Which decoder layers the fused kernels can compute, and putting them there.

A layer is taken when its parts have the names and classes of the pre-norm decoder (Llama, Mistral, Qwen 2 and 3, and
what follows them); whether it computes the same is then proved on a few random tokens, never assumed. Outside of a
forest, and whenever something is switched on that the kernels do not compute (dropout, another adapter, a merged one),
the layer runs its own forward.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from whet.model.attention.forest import ForestLayout, active_forest, forest
from whet.model.fused.attention import Attention
from whet.model.fused.layer import AttentionHalf, MlpHalf, Norm, attention_half, mlp_half
from whet.model.fused.linear import read_product
from whet.model.fused.pointwise import ACTIVATIONS, Rotary
from whet.model.fused.spans import spans_of

LAYER = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
HEAD_NORMS = {"q_norm", "k_norm"}
MLP = {"gate_proj", "up_proj", "down_proj", "act_fn"}
UNKNOWN = -1
"""No sliding window."""


@dataclass(slots=True)
class FusedLayer:
    """Stands in for a decoder layer's forward while a forest is active."""

    own: Callable[..., Any]
    module: nn.Module
    attention: AttentionHalf
    mlp: MlpHalf
    scale: float
    light: bool = False

    def __call__(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        layout = active_forest()
        rotary = kwargs.get("position_embeddings")
        if layout is None or rotary is None or not self._computes():
            return self.own(hidden_states, *args, **kwargs)

        window = _window_of(layout, kwargs.get("attention_mask"))
        if window == UNKNOWN:
            return self.own(hidden_states, *args, **kwargs)  # which refuses a mask that is not the forest's

        x_TD = hidden_states[0]
        heads = self.attention.query.outputs // self.attention.size
        spans = spans_of(layout, x_TD.shape[0], heads)
        how = Attention(self.scale, window)
        turn = _rotary(layout, rotary, heads, self.attention.size)
        y_TD = attention_half(x_TD, self.attention, turn, spans, how, self.light)

        return mlp_half(y_TD, self.mlp, self.light)[None]

    def _computes(self) -> bool:
        """False while the layer does something more than the kernels."""
        attention: Any = self.module.self_attn
        if self.module.training and getattr(attention, "attention_dropout", 0.0):
            return False
        parts = (*self.attention.reads, self.attention.output, self.mlp.gate, self.mlp.up, self.mlp.down)
        return not any(product.wrapper is not None and product.wrapper.merged for product in parts)


def read_layer(module: nn.Module) -> FusedLayer | None:
    """The layer as the kernels see it, or None where its parts are others than theirs."""
    if _parts_of(module) != LAYER:
        return None
    attention = _read_attention_half(module)
    mlp = _read_mlp_half(module)
    scale: Any = getattr(module.self_attn, "scaling", None)
    if attention is None or mlp is None or scale is None:
        return None
    return FusedLayer(module.forward, module, attention, mlp, float(scale))


def _read_attention_half(module: Any) -> AttentionHalf | None:
    attention: Any = module.self_attn
    parts = _parts_of(attention) - {"rotary_emb"}
    if parts - HEAD_NORMS != ATTENTION:
        return None

    norm = _read_norm(module.input_layernorm)
    query, key = read_product(attention.q_proj), read_product(attention.k_proj)
    value, output = read_product(attention.v_proj), read_product(attention.o_proj)
    size = getattr(attention, "head_dim", None)
    if not (norm and query and key and value and output) or size is None:
        return None

    query_norm = _read_norm(attention.q_norm) if "q_norm" in parts else None
    key_norm = _read_norm(attention.k_norm) if "k_norm" in parts else None
    if ("q_norm" in parts and query_norm is None) or ("k_norm" in parts and key_norm is None):
        return None
    return AttentionHalf(norm, query, key, value, output, query_norm, key_norm, int(size))


def _read_mlp_half(module: Any) -> MlpHalf | None:
    mlp: Any = module.mlp
    if _parts_of(mlp) != MLP:
        return None

    norm = _read_norm(module.post_attention_layernorm)
    gate, up, down = read_product(mlp.gate_proj), read_product(mlp.up_proj), read_product(mlp.down_proj)
    activation = _read_activation(mlp.act_fn, module.self_attn)
    if not (norm and gate and up and down) or activation is None:
        return None
    return MlpHalf(norm, gate, up, down, activation)


def _parts_of(module: nn.Module) -> set[str]:
    return {name for name, _ in module.named_children()}


def install(trunk: nn.Module) -> int:
    """Let the kernels compute every layer of the trunk that they can; returns how many that are."""
    uninstall(trunk)
    taken = 0
    for module in getattr(trunk, "layers", []):
        fused = read_layer(module)
        if fused is not None:
            module.forward = fused
            taken += 1

    return taken


@dataclass(slots=True)
class RecomputedLayer:
    """A layer's own forward, run again in the backward pass within the same forest."""

    own: Callable[..., Any]

    def __call__(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return self.own(hidden_states, *args, **kwargs)
        layout = active_forest()

        def run(x: Tensor) -> Any:
            with forest(layout) if layout else nullcontext():
                return self.own(x, *args, **kwargs)

        return checkpoint(run, hidden_states, use_reentrant=False)


def recompute(trunk: nn.Module) -> None:
    """Activation checkpointing (Chen et al. 2016): layers keep their input only."""
    for module in getattr(trunk, "layers", []):
        present = module.__dict__.get("forward")
        if isinstance(present, FusedLayer):
            present.light = True
        elif not isinstance(present, RecomputedLayer):
            module.forward = RecomputedLayer(module.forward)


def uninstall(trunk: nn.Module) -> None:
    """Every layer runs its own forward again."""
    for module in getattr(trunk, "layers", []):
        if isinstance(module.__dict__.get("forward"), FusedLayer | RecomputedLayer):
            del module.forward


def _read_norm(module: nn.Module) -> Norm | None:
    epsilon = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    weight = getattr(module, "weight", None)
    if epsilon is None or weight is None or weight.ndim != 1 or "RMSNorm" not in type(module).__name__:
        return None
    return Norm(weight, float(epsilon))


def _read_activation(module: nn.Module, attention: Any) -> str | None:
    name = getattr(attention.config, "hidden_act", None) or getattr(attention.config, "hidden_activation", None)
    return name if name in ACTIVATIONS else None


def _rotary(layout: ForestLayout, position_embeddings: tuple[Tensor, Tensor], heads: int, size: int) -> Rotary:
    """transformers repeats each angle for both halves, (1, T, 2 * half). All layers of a kind share one table."""
    cos, sin = position_embeddings
    key = (id(cos), heads, size)
    if key not in layout.rotary:
        half = cos.shape[-1] // 2
        layout.rotary[key] = (cos, Rotary.of(cos[0, :, :half], sin[0, :, :half], heads, size))  # cos keeps its id
    return layout.rotary[key][1]


def _window_of(layout: ForestLayout, mask: Tensor | None) -> int | None:
    """The sliding window that transformers asked for when it took this mask; UNKNOWN for a mask of somebody else."""
    for window, known in layout.masks.items():
        if known is mask:
            return window
    return None if mask is None else UNKNOWN
