"""A pre-norm decoder read for writing: prompts as a forest, then one token an answer over a cache, in few operations.

Takes models whose every layer the fused kernels recognise; what else they may do is found by proof (proof.py).
Shapes: T tokens of a forest, B answers, M either, D hidden size, V vocabulary, J key heads, G queries a key head,
K head size, C positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from whet.generate.cache import SlotCache
from whet.generate.prompts import Prompt, plant
from whet.generate.weights import Joined
from whet.model.adapter import causal_lm
from whet.model.attention import layout_of, round_up
from whet.model.fused import attention
from whet.model.fused.attention import Attention
from whet.model.fused.install import FusedLayer, read_layer
from whet.model.fused.layer import Norm
from whet.model.fused.pointwise import ACTIVATIONS
from whet.model.fused.products import Product
from whet.model.fused.spans import Span, spans_of
from whet.model.policy import Policy

TRUNK = {"embed_tokens", "layers", "norm", "rotary_emb"}
FIXED_ROTARY = {"default", "linear", "llama3", "yarn"}
"""Kinds of rotary positions whose angles do not depend on the length of the text."""
ROW_GRAIN = 4
"""More rows than this are rounded up to it: a processor's matrix kernels are made afresh for every number of rows."""


class Layer:
    """One decoder layer over rows."""

    def __init__(self, fused: FusedLayer, copies: bool) -> None:
        half, mlp = fused.attention, fused.mlp
        self.reads, self.output = Joined(half.reads, copies), Joined([half.output], copies)
        self.expand, self.contract = Joined([mlp.gate, mlp.up], copies), Joined([mlp.down], copies)
        self.norms, self.head_norms = (half.norm, mlp.norm), (half.query_norm, half.key_norm)
        self.size, self.scale = half.size, fused.scale
        self.key_heads = half.key.outputs // half.size
        self.heads = half.query.outputs // half.size
        self.activation = ACTIVATIONS[mlp.activation][0]

    def attend_to(self, x_MD: Tensor, angles: Angles, switch_M1: Tensor | None) -> tuple[Tensor, Tensor]:
        """Rotated queries (M, heads, K), and rotated keys with values (M, 2J, K)."""
        z_MHK = self.reads(self.norms[0](x_MD), switch_M1).view(len(x_MD), -1, self.size)
        turned = self.heads + self.key_heads
        qk_MHK = z_MHK[:, :turned]
        if any(self.head_norms):
            parts = zip((z_MHK[:, : self.heads], z_MHK[:, self.heads : turned]), self.head_norms, strict=True)
            qk_MHK = torch.cat([norm(part) if norm else part for part, norm in parts], 1)
        qk_MHK = angles.turn(qk_MHK)
        return qk_MHK[:, : self.heads], torch.cat([qk_MHK[:, self.heads :], z_MHK[:, turned:]], 1)

    def finish(self, x_MD: Tensor, o_MH: Tensor, switch_M1: Tensor | None) -> Tensor:
        """From what the heads saw to the layer's output."""
        y_MD = self.output(o_MH, switch_M1, x_MD)
        gate_MW, up_MW = self.expand(self.norms[1](y_MD), switch_M1).chunk(2, -1)
        return self.contract(self.activation(gate_MW).mul_(up_MW), switch_M1, y_MD)


class Angles:
    """Rotary angles of M tokens, as a table of cosines and one of sines with the sign of the first half turned."""

    def __init__(self, cos_MK: Tensor, sin_MK: Tensor) -> None:
        half = sin_MK.shape[-1] // 2
        self.cos_M1K = cos_MK[:, None]
        self.sin_M1K = torch.cat([-sin_MK[:, :half], sin_MK[:, half:]], -1)[:, None]

    def at(self, places_M: Tensor) -> Angles:
        """Those of some positions."""
        chosen = Angles.__new__(Angles)
        chosen.cos_M1K = self.cos_M1K.index_select(0, places_M)
        chosen.sin_M1K = self.sin_M1K.index_select(0, places_M)
        return chosen

    def turn(self, x_MHK: Tensor) -> Tensor:
        """(a, b) -> (a cos - b sin, b cos + a sin), Su et al. 2021, equation 34."""
        halves = x_MHK.unflatten(-1, (2, -1))
        return halves.flip(2).flatten(2).mul_(self.sin_M1K).addcmul_(x_MHK, self.cos_M1K)


class Reader:
    """The model as it is now: weights and adapters are read when it is made."""

    def __init__(self, model: Any, layers: list[FusedLayer], copies: bool) -> None:
        trunk: Any = Policy(model).trunk
        self.trunk = trunk
        self.embedding: Tensor = trunk.embed_tokens.weight
        self.layers = [Layer(layer, copies) for layer in layers]
        self.norm = Norm(trunk.norm.weight, float(trunk.norm.variance_epsilon))
        self.head = Joined([Product(causal_lm(model).get_output_embeddings())], copies)
        self.angles: Angles | None = None

    @torch.inference_mode()
    def cache(self, slots: int, capacity: int) -> SlotCache:
        """Room for so many answers, each of at most `capacity` tokens with its prompt."""
        first = self.layers[0]
        if self.angles is None or len(self.angles.cos_M1K) < capacity:
            positions_1C = torch.arange(capacity, device=self.embedding.device)[None]
            cos, sin = self.trunk.rotary_emb(self.embedding[:1, None], positions_1C)
            self.angles = Angles(cos[0], sin[0])
        rounded = slots if slots <= ROW_GRAIN else round_up(slots, ROW_GRAIN)
        return SlotCache(len(self.layers), rounded, first.key_heads, capacity, first.size, self.embedding)

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[Prompt], cache: SlotCache) -> Tensor:
        """Read prompts into fresh slots, in order; logits (P, V) after each."""
        grove = plant(prompts)
        slots_P = torch.tensor([cache.take(len(prompt.ids)) for prompt in prompts])
        layout = layout_of(grove.batch)
        added, tokens = layout.added, len(grove.batch.ids_T) + layout.added
        ids_T, positions_T = (functional.pad(x, (0, added)) for x in (grove.batch.ids_T, grove.batch.positions_T))
        switch_T1 = None
        if not bool(grove.adapted_T.all()):
            switch_T1 = functional.pad(grove.adapted_T, (0, added))[:, None].to(self.embedding.dtype)
        x_TD = functional.embedding(ids_T, self.embedding)
        assert self.angles is not None
        angles, spans = self.angles.at(positions_T), spans_of(layout, tokens, self.layers[0].heads)
        where = (slots_P[grove.prompt_N][:, None], cache.heads_J, grove.place_N[:, None])
        for layer, kv_SJCK in zip(self.layers, cache.kv_NSJCK, strict=True):
            q_THK, kv_TJK = layer.attend_to(x_TD, angles, switch_T1)
            kv_SJCK.index_put_(where, kv_TJK.index_select(0, grove.token_N))
            x_TD = layer.finish(x_TD, _over_spans(layer, q_THK, kv_TJK, spans), switch_T1)
        return self._logits(x_TD.index_select(0, grove.last_P))

    @torch.inference_mode()
    def step(self, ids: Sequence[int], adapted: Sequence[bool], cache: SlotCache) -> Tensor:
        """Read one more token of every live answer; logits (B, V) after each."""
        live = len(ids)
        rows = live if live <= ROW_GRAIN else round_up(live, ROW_GRAIN)
        ids_B = torch.tensor([*ids, *[0] * (rows - live)])
        switch_B1 = None
        if not all(adapted):
            switch_B1 = torch.tensor([*adapted, *[True] * (rows - live)])[:, None].to(self.embedding.dtype)
        place_B1, bias_B11C, longest = cache.grow(rows)
        assert self.angles is not None
        angles, where = self.angles.at(place_B1[:, 0]), (cache.slots_S1[:rows], cache.heads_J, place_B1)
        x_BD = functional.embedding(ids_B, self.embedding)
        for layer, kv_SJCK in zip(self.layers, cache.kv_NSJCK, strict=True):
            q_BHK, kv_BJK = layer.attend_to(x_BD, angles, switch_B1)
            kv_SJCK.index_put_(where, kv_BJK)
            q_BJGK = q_BHK.unflatten(1, (layer.key_heads, -1))
            k_BJCK, v_BJCK = kv_SJCK[:rows, :, :longest].chunk(2, 1)
            o_BJGK = functional.scaled_dot_product_attention(
                q_BJGK, k_BJCK, v_BJCK, attn_mask=bias_B11C, scale=layer.scale
            )
            x_BD = layer.finish(x_BD, o_BJGK.reshape(rows, -1), switch_B1)
        return self._logits(x_BD)[:live]

    def _logits(self, x_BD: Tensor) -> Tensor:
        return self.head(self.norm(x_BD), None)


def _over_spans(layer: Layer, q_THK: Tensor, kv_TJK: Tensor, spans: list[Span]) -> Tensor:
    """What every token's heads see along its path (T, heads * K)."""
    q_JTGK = q_THK.unflatten(1, (layer.key_heads, -1)).transpose(0, 1).contiguous()
    k_JTK, v_JTK = (part.transpose(0, 1).contiguous() for part in kv_TJK.chunk(2, 1))
    o_JTGK, _ = attention.forward(q_JTGK, k_JTK, v_JTK, spans, Attention(layer.scale, None))
    return o_JTGK.transpose(0, 1).reshape(len(q_THK), -1)


def read_model(model: Any) -> list[FusedLayer] | str:
    """The model's layers as the kernels see them, or why the fast reader does not take it."""
    trunk: Any = Policy(model).trunk
    kind = type(model).__name__
    if {name for name, _ in trunk.named_children()} != TRUNK or type(trunk.embed_tokens) is not nn.Embedding:
        return f"{kind} is more than an embedding, layers and a norm"
    config = model.config.get_text_config()
    types = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    if windowed or types != {"full_attention"}:
        return f"{kind} has a sliding window"
    if getattr(trunk.rotary_emb, "rope_type", None) not in FIXED_ROTARY or not hasattr(trunk.norm, "variance_epsilon"):
        return f"{kind} has positions or a norm that the fast reader does not know"
    policy = Policy(model)
    if type(causal_lm(model).get_output_embeddings()) is not nn.Linear or policy.head.scale != 1 or policy.head.softcap:
        return f"{kind} does more to its logits than one linear layer"
    if policy.device.type != "cpu":
        return "the kernels that read prompts are for processors"
    layers = [layer for layer in map(read_layer, trunk.layers) if layer is not None]
    if len(layers) < len(trunk.layers):
        return f"{kind} has layers that are not the known decoder layer"
    heads = {(layer.attention.size, layer.attention.key.outputs) for layer in layers}
    return layers if len(heads) == 1 else f"{kind} has layers of different shapes"
