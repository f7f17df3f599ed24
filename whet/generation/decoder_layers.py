"""A pre-norm decoder read for writing: prompts as a forest, then one token an answer over a cache, in few operations.

Takes models whose every layer the fused kernels recognise; what else they may do is found by proof (decoding_proof.py).
Shapes: T tokens of a forest, B answers, M either, D hidden size, V vocabulary, H heads, J key heads, G queries a key
head, K head size, C positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from whet.generation.joined_linears import JoinedLinear, OwnAdapter, RowAdapters
from whet.generation.kv_cache import SlotCache
from whet.generation.prefill import Prompt, build_prefill
from whet.model.adapter import causal_lm
from whet.model.attention.forest import layout_of, round_up
from whet.model.fused import attention
from whet.model.fused.attention import Attention
from whet.model.fused.install import FusedLayer, read_layer
from whet.model.fused.layer import Norm
from whet.model.fused.linear import AdaptedLinear
from whet.model.fused.pointwise import ACTIVATIONS
from whet.model.fused.spans import Span, spans_of
from whet.model.logits.logprob import accumulation_dtype
from whet.model.policy import Policy

TRUNK = {"embed_tokens", "layers", "norm", "rotary_emb"}
FIXED_ROTARY = {"default", "linear", "llama3", "yarn"}
"""Kinds of rotary positions whose angles do not depend on the length of the text."""
ROW_GRAIN = 4
"""More rows than this are rounded up to it: a processor's matrix kernels are made afresh for every number of rows."""


class RMSNormRows:
    """RMSNorm (Zhang and Sennrich 2019, equation 4) in few operations: x w sqrt(D) / hypot(|x|, sqrt(D epsilon))."""

    def __init__(self, norm: Norm, order_D: Tensor | None = None) -> None:
        if order_D is None:
            weight_D = norm.weight_D.detach()
        else:
            weight_D = norm.weight_D.detach()[order_D]
        size = len(weight_D)
        self.weight_D = weight_D.to(accumulation_dtype(weight_D.dtype)) * size**0.5
        self.least = self.weight_D.new_tensor((size * norm.epsilon) ** 0.5)

    def __call__(self, x_MD: Tensor) -> Tensor:
        wide_MD = x_MD.to(self.weight_D.dtype)
        length_M1 = torch.linalg.vector_norm(wide_MD, dim=-1, keepdim=True).hypot_(self.least)
        return (wide_MD / length_M1).mul_(self.weight_D).to(x_MD.dtype)


class Layer:
    """One decoder layer over rows. The two numbers that a rotary angle turns lie side by side in queries and keys."""

    def __init__(self, fused: FusedLayer, copies: bool) -> None:
        half, mlp = fused.attention, fused.mlp
        self.size, self.scale = half.size, fused.scale
        self.key_heads = half.key.outputs // half.size
        self.heads = half.query.outputs // half.size
        pairs_K = torch.arange(half.size, device=half.norm.weight_D.device).view(2, -1).T.flatten()
        self.reads = JoinedLinear(half.reads, copies, self._order(pairs_K))
        self.output = JoinedLinear([half.output], copies)
        self.expand, self.contract = JoinedLinear([mlp.gate, mlp.up], copies), JoinedLinear([mlp.down], copies)
        self.norms = RMSNormRows(half.norm), RMSNormRows(mlp.norm)
        self.head_norms = [norm and RMSNormRows(norm, pairs_K) for norm in (half.query_norm, half.key_norm)]
        self.activation = ACTIVATIONS[mlp.activation][0]

    def attend_to(self, x_MD: Tensor, angles_M1F: Tensor, chosen: Any) -> Tensor:
        """Rotated queries, rotated keys and values (M, H + 2J, K)."""
        z_MHK = (
            self.reads(self.norms[0](x_MD), chosen).view(len(x_MD), -1, self.size).to(accumulation_dtype(x_MD.dtype))
        )
        turned = self.heads + self.key_heads
        for norm, part in zip(self.head_norms, (slice(self.heads), slice(self.heads, turned)), strict=True):
            if norm:
                z_MHK[:, part] = norm(z_MHK[:, part])
        torch.view_as_complex(z_MHK[:, :turned].unflatten(-1, (-1, 2))).mul_(angles_M1F)
        return z_MHK.to(x_MD.dtype)

    def finish(self, x_MD: Tensor, o_MH: Tensor, chosen: Any) -> Tensor:
        """From what the heads saw to the layer's output."""
        y_MD = self.output(o_MH, chosen, x_MD)
        gate_MW, up_MW = self.expand(self.norms[1](y_MD), chosen).chunk(2, -1)
        return self.contract(self.activation(gate_MW).mul_(up_MW), chosen, y_MD)

    def _order(self, pairs_K: Tensor) -> Tensor:
        """Outputs of queries, keys and values, with a head's in the order `pairs_K` where positions turn it."""
        turned, outputs = self.heads + self.key_heads, (self.heads + 2 * self.key_heads) * self.size
        order_HK = torch.arange(outputs, device=pairs_K.device).view(-1, self.size)
        order_HK[:turned] = order_HK[:turned, pairs_K]
        return order_HK.flatten()


class CachedDecoder:
    """The model as it is now: weights and adapters are read when it is made."""

    @torch.inference_mode()
    def __init__(self, model: Any, layers: list[FusedLayer], copies: bool) -> None:
        trunk: Any = Policy(model).trunk
        self.trunk = trunk
        self.embedding: Tensor = trunk.embed_tokens.weight
        self.layers = [Layer(layer, copies) for layer in layers]
        self.norm = RMSNormRows(Norm(trunk.norm.weight, float(trunk.norm.variance_epsilon)))
        self.head = JoinedLinear([AdaptedLinear(causal_lm(model).get_output_embeddings())], copies)
        self.adapters: RowAdapters = OwnAdapter(self.embedding)
        self.angles_C1F = torch.empty(0)
        """Of every position as numbers e^(i a) on the circle, F = K / 2."""

    @torch.inference_mode()
    def cache(self, slots: int, capacity: int) -> SlotCache:
        """Room for so many answers, each of at most `capacity` tokens with its prompt."""
        first = self.layers[0]
        if len(self.angles_C1F) < capacity:
            positions_1C = torch.arange(capacity, device=self.embedding.device)[None]
            cos_1CK, sin_1CK = self.trunk.rotary_emb(self.embedding[:1, None], positions_1C)
            cos_CF, sin_CF = (table[0, :, : table.shape[-1] // 2] for table in (cos_1CK, sin_1CK))
            dtype = accumulation_dtype(self.embedding.dtype)
            self.angles_C1F = torch.complex(cos_CF.to(dtype), sin_CF.to(dtype))[:, None]

        if slots <= ROW_GRAIN:
            rounded = slots
        else:
            rounded = round_up(slots, ROW_GRAIN)

        return SlotCache(len(self.layers), rounded, first.key_heads, capacity, first.size, self.embedding)

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[Prompt], cache: SlotCache) -> Tensor:
        """Read prompts into fresh slots, in order; logits (P, V) after each."""
        grove = build_prefill(prompts)
        slots_P = torch.tensor([cache.take(len(prompt.ids)) for prompt in prompts])
        layout = layout_of(grove.batch)
        added, tokens = layout.added, len(grove.batch.ids_T) + layout.added
        ids_T, positions_T = (functional.pad(x, (0, added)) for x in (grove.batch.ids_T, grove.batch.positions_T))
        chosen = self.adapters.choose(grove.adapter_T, tokens)
        x_TD = functional.embedding(ids_T, self.embedding)
        angles_T1F = self.angles_C1F.index_select(0, positions_T)
        spans = spans_of(layout, tokens, self.layers[0].heads)

        where_NX = cache.starts_SX[slots_P[grove.prompt_N]] + grove.place_N[:, None]
        for layer, kv_SXCK in zip(self.layers, cache.kv_NSXCK, strict=True):
            z_THK = layer.attend_to(x_TD, angles_T1F, chosen)
            kv_NXK = z_THK[:, layer.heads :].index_select(0, grove.token_N)
            kv_SXCK.view(-1, layer.size).index_put_((where_NX,), kv_NXK)
            x_TD = layer.finish(x_TD, _over_spans(layer, z_THK, spans), chosen)

        return self._logits(x_TD.index_select(0, grove.last_P))

    @torch.inference_mode()
    def step(self, ids: Sequence[int], adapter_B: Sequence[int], cache: SlotCache) -> Tensor:
        """Read one more token of every live answer by the adapter of its number; logits (B, V) after each."""
        live = len(ids)
        if live <= ROW_GRAIN:
            rows = live
        else:
            rows = round_up(live, ROW_GRAIN)

        ids_B = torch.tensor([*ids, *[0] * (rows - live)])
        chosen = self.adapters.choose(adapter_B, rows)
        grown = cache.grow(rows)
        angles_B1F = self.angles_C1F.index_select(0, grown.place_B)

        x_BD = functional.embedding(ids_B, self.embedding)
        for layer, kv_SXCK in zip(self.layers, cache.kv_NSXCK, strict=True):
            z_BHK = layer.attend_to(x_BD, angles_B1F, chosen)
            kv_SXCK.view(-1, layer.size).index_put_((grown.where_BX,), z_BHK[:, layer.heads :])
            o_BH = over_cache(z_BHK[:, : layer.heads], kv_SXCK, grown.bias_B11C, layer.scale)
            x_BD = layer.finish(x_BD, o_BH, chosen)

        return self._logits(x_BD)[:live]

    @torch.inference_mode()
    def read_on(self, ids: Sequence[int], adapter: int, cache: SlotCache) -> Tensor:
        """Read the next piece of the one prompt that lies in slot 0; logits (1, V) after its last token."""
        tokens, start = len(ids), cache.lengths[0]
        stop = cache.lengthen(tokens)
        chosen = self.adapters.choose([adapter] * tokens, tokens)
        angles_T1F = self.angles_C1F[start:stop]
        bias_TC = self.embedding.new_full((tokens, stop), float("-inf")).triu_(start + 1)

        x_TD = functional.embedding(torch.tensor(ids), self.embedding)
        for layer, kv_SXCK in zip(self.layers, cache.kv_NSXCK, strict=True):
            z_THK = layer.attend_to(x_TD, angles_T1F, chosen)
            kv_SXCK[0, :, start:stop] = z_THK[:, layer.heads :].transpose(0, 1)
            o_TH = _over_slot(z_THK[:, : layer.heads], kv_SXCK[0, :, :stop], bias_TC, layer.scale)
            x_TD = layer.finish(x_TD, o_TH, chosen)

        return self._logits(x_TD[-1:])

    def _logits(self, x_BD: Tensor) -> Tensor:
        return self.head(self.norm(x_BD), None)


def over_cache(q_BHK: Tensor, kv_SXCK: Tensor, bias_B11C: Tensor, scale: float) -> Tensor:
    """What the heads of one token an answer see in its slot (B, H * K).

    The queries of a key head are rows of one product against its keys: the same numbers as one query a head with its
    keys repeated (`enable_gqa`), which takes 1.1 times as long in float32 and 3 to 6 times in bfloat16.
    """
    rows = len(q_BHK)
    k_BJCK, v_BJCK = kv_SXCK[:rows, :, : bias_B11C.shape[-1]].chunk(2, 1)
    q_BJGK = q_BHK.unflatten(1, (k_BJCK.shape[1], -1))
    o = functional.scaled_dot_product_attention(q_BJGK, k_BJCK, v_BJCK, attn_mask=bias_B11C, scale=scale)

    return o.reshape(rows, -1)


def _over_slot(q_THK: Tensor, kv_XCK: Tensor, bias_TC: Tensor, scale: float) -> Tensor:
    """What the heads of a piece of a prompt see in its slot (T, H * K); keys and values are not repeated in memory."""
    k_JCK, v_JCK = kv_XCK.chunk(2)
    q_JGTK = q_THK.transpose(0, 1).unflatten(0, (len(k_JCK), -1))
    k_JGCK, v_JGCK = (part[:, None].expand(-1, q_JGTK.shape[1], -1, -1) for part in (k_JCK, v_JCK))
    o_JGTK = functional.scaled_dot_product_attention(q_JGTK, k_JGCK, v_JGCK, attn_mask=bias_TC, scale=scale)
    return o_JGTK.flatten(0, 1).transpose(0, 1).reshape(len(q_THK), -1)


def _over_spans(layer: Layer, z_THK: Tensor, spans: list[Span]) -> Tensor:
    """What every token's heads see along its path (T, heads * K)."""
    q_THK, k_TJK, v_TJK = z_THK.split([layer.heads, layer.key_heads, layer.key_heads], 1)
    q_JTGK = q_THK.unflatten(1, (layer.key_heads, -1)).transpose(0, 1).contiguous()
    k_JTK, v_JTK = (part.transpose(0, 1).contiguous() for part in (k_TJK, v_TJK))
    o_JTGK, _ = attention.forward(q_JTGK, k_JTK, v_JTK, spans, Attention(layer.scale, None))
    return o_JTGK.transpose(0, 1).reshape(len(z_THK), -1)


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
    if len(heads) == 1:
        return layers
    return f"{kind} has layers of different shapes"
