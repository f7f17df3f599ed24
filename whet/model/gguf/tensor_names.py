"""Of each architecture of llama.cpp that is read or written: every tensor, its name in transformers, and what llama.cpp
changes in it. One table both ways.

llama.cpp changes two things (conversion of ggml-org/llama.cpp). Of `llama` it reorders the rows of queries and keys,
because it turns neighbours (0, 1), (2, 3), ... where transformers turns halves (0, n/2), (1, n/2 + 1), ... Of Gemma it
stores the weights of norms plus one, which transformers adds at each step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

OUTSIDE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
"""Tensors that belong to no layer."""
PARTS = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}  # fmt: skip
"""The matrices of a layer."""
FUSED = {
    "attn_qkv": "self_attn.qkv_proj", "attn_output": "self_attn.o_proj", "ffn_up": "mlp.gate_up_proj",
    "ffn_down": "mlp.down_proj",
}  # fmt: skip
NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
"""Weights as long as the model is wide."""
SANDWICHED = {
    "attn_norm": "input_layernorm", "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
}  # fmt: skip
HEAD_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
"""Weights as long as a head is wide."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The tensors of one architecture."""

    parts: Mapping[str, str] = field(default_factory=lambda: PARTS)
    norms: Mapping[str, str] = field(default_factory=lambda: NORMS)
    head_norms: Mapping[str, str] = field(default_factory=dict)
    biased: tuple[str, ...] = ()
    """Matrices that always have a bias."""
    turned: bool = False
    """The rows of queries and keys are reordered."""
    raised: bool = False
    """The weights of norms are stored plus one."""


LAYOUTS = {
    "llama": Layout(turned=True),
    "qwen2": Layout(biased=("attn_q", "attn_k", "attn_v")),
    "qwen3": Layout(head_norms=HEAD_NORMS),
    "gemma": Layout(raised=True),
    "gemma2": Layout(norms=SANDWICHED, raised=True),
    "gemma3": Layout(norms=SANDWICHED, head_norms=HEAD_NORMS, raised=True),
    "phi3": Layout(parts=FUSED),
}


class Wanted(NamedTuple):
    """A tensor of a model, by its name in llama.cpp."""

    name: str
    """In transformers."""
    shape: tuple[int, ...]
    heads: int = 0
    """The rows of so many heads are reordered; 0 for none."""
    raised: bool = False
    """llama.cpp has it plus one."""


def wanted_tensors(architecture: str, config: Mapping[str, Any]) -> dict[str, Wanted]:
    """Every tensor of such a model by its name in llama.cpp. `config` is transformers', with `head_dim`."""
    layout = LAYOUTS[architecture]
    hidden, table = config["hidden_size"], (config["vocab_size"], config["hidden_size"])
    shapes = {"token_embd.weight": table, "output_norm.weight": (hidden,), "output.weight": table}
    wanted = {
        name: Wanted(new, shapes[name], raised=layout.raised and name == "output_norm.weight")
        for name, new in OUTSIDE.items()
    }
    if config["tie_word_embeddings"]:
        del wanted["output.weight"]
    for layer in range(config["num_hidden_layers"]):
        wanted |= _of_a_layer(layout, config, f"blk.{layer}.", f"model.layers.{layer}.")
    return wanted


def _of_a_layer(layout: Layout, config: Mapping[str, Any], old: str, new: str) -> dict[str, Wanted]:
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]} if layout.turned else {}
    shapes, biased, found = _shapes(config), set(_biased(layout, config)), {}
    for part, name in layout.parts.items():
        turned = heads.get(part, 0)
        found[f"{old}{part}.weight"] = Wanted(f"{new}{name}.weight", shapes[part], turned)
        if part in biased:
            found[f"{old}{part}.bias"] = Wanted(f"{new}{name}.bias", shapes[part][:1], turned)
    for names, length in ((layout.norms, config["hidden_size"]), (layout.head_norms, config["head_dim"])):
        for part, name in names.items():
            found[f"{old}{part}.weight"] = Wanted(f"{new}{name}.weight", (length,), raised=layout.raised)
    return found


def _biased(layout: Layout, config: Mapping[str, Any]) -> Iterator[str]:
    yield from layout.biased
    yield from [*PARTS][:4] if config.get("attention_bias") else ()
    yield from [*PARTS][4:] if config.get("mlp_bias") else ()


def _shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Of the matrices of a layer: rows, which are what comes out, and columns."""
    hidden, width, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * size, config["num_key_value_heads"] * size
    fused = config["model_type"] == "phi3"
    return {
        "attn_q": (queries, hidden),
        "attn_k": (keys, hidden),
        "attn_v": (keys, hidden),
        "attn_qkv": (queries + 2 * keys, hidden),
        "attn_output": (hidden, queries),
        "ffn_gate": (width, hidden),
        "ffn_up": (2 * width if fused else width, hidden),
        "ffn_down": (hidden, width),
    }
