"""The shape of a model and its exact parameter count, from its config alone: no weights, no torch.

A decoder is an embedding, L equal layers of linear maps and norms, and an output layer (which may be the embedding
again). Each family says which linear maps and norms its layer has; tests compare with transformers' own models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from whet.errors import ModelError, nearest

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Linear:
    """One linear map of a layer, under the last part of its module's name."""

    name: str
    inputs: int
    outputs: int
    bias: bool = False
    copies: int = 1
    """Experts hold the same map several times."""
    module: bool = True
    """False for weights that are no linear module, which 4-bit loading does not reach (experts, routers)."""
    adapted: bool = True
    """Whether `all-linear` means it: not a router."""

    @property
    def of_experts(self) -> bool:
        """Held as one tensor with all its copies."""
        return self.copies > 1 and not self.module

    @property
    def weights(self) -> int:
        return self.copies * self.inputs * self.outputs

    def rank(self, rank: int) -> int:
        """Of the adapter of each copy: experts share a rank with those that a token passes through beside them."""
        return max(1, rank // _used(self))

    @property
    def parameters(self) -> int:
        return self.weights + self.copies * self.outputs * self.bias


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a decoder; counts are numbers, not bytes."""

    family: str
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    key_heads: int
    head_size: int
    width: int
    """Of the MLP that one token passes through; of all its experts together, where there are several."""
    context: int
    linears: tuple[Linear, ...]
    """Of one layer."""
    norms: int
    """Numbers in the norms of one layer."""
    outside: int
    """Numbers outside of layers, embedding and output layer: the last norm, position tables, a bias of the output."""
    tied: bool
    """Is the output layer the embedding?"""
    head_norms: bool = False
    """Are queries and keys normed, head by head?"""

    @property
    def table(self) -> int:
        """Numbers in the embedding, and in the output layer where it is another."""
        return self.vocabulary * self.hidden

    @property
    def layer(self) -> int:
        return sum(linear.parameters for linear in self.linears) + self.norms

    @property
    def parameters(self) -> int:
        """All parameters, shared ones counted once."""
        return self.layers * self.layer + self.table * (1 if self.tied else 2) + self.outside

    @property
    def quantised(self) -> int:
        """Weights that a 4-bit base holds in 4 bits: those of the linear modules, without the output layer."""
        return self.layers * sum(linear.weights for linear in self.linears if linear.module)

    @property
    def passed(self) -> int:
        """Weights that one token is multiplied with: experts count where they are used, the embedding not at all."""
        layer = sum(linear.weights // linear.copies * _used(linear) for linear in self.linears)
        return self.layers * layer + self.table

    @property
    def attended(self) -> int:
        """Outputs of all query heads."""
        return self.heads * self.head_size

    def adapted(self, targets: Literal["all-linear"] | list[str], experts: bool = True) -> list[Linear]:
        """The linear maps of a layer that get an adapter; those of experts only with `experts`. Raises ModelError for a
        target that no map is called."""
        return [linear for linear in self._named(targets) if experts or not linear.of_experts]

    def _named(self, targets: Literal["all-linear"] | list[str]) -> list[Linear]:
        if targets == "all-linear":
            return [linear for linear in self.linears if linear.adapted]
        names = {linear.name for linear in self.linears}
        unknown = sorted(set(targets) - names)
        if unknown or not targets:
            fix = f"use all-linear, or some of: {', '.join(sorted(names))}"
            raise ModelError("no linear layer has this name", where="adapter.targets", value=unknown, fix=fix)
        return [linear for linear in self.linears if linear.name in targets]


EXPERTS_USED = 2
"""Experts that a token passes through in Mixtral (Jiang et al. 2024, section 2.1)."""


def _used(linear: Linear) -> int:
    return min(linear.copies, EXPERTS_USED)


def read_shape(config: Config, where: str = "config.json") -> ModelShape:
    """The shape that a config (`config.json` as a dictionary) describes.

    Raises ModelError for a family that is not known here, or a config that lacks a size.
    """
    config = config.get("text_config") or config
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        fix = f"known families: {', '.join(sorted(FAMILIES))}"
        what = f"whet plan does not know models of type {family!r}{nearest(family, FAMILIES)}"
        raise ModelError(what, where=where, fix=fix)

    try:
        return FAMILIES[family](config)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        what = f"the config of this {family} model lacks a size or has a wrong one: {error}"
        raise ModelError(what, where=where, fix="give the config.json that came with the model") from error


def _gated(
    config: Config,
    *,
    bias: bool = False,
    output_bias: bool = False,
    mlp_bias: bool = False,
    norms: int = 2,
    head_norms: Literal["no", "head", "whole"] = "no",
    tied: bool = False,
    fused: bool = False,
) -> ModelShape:
    """Pre-norm decoders with RMSNorm and a gated MLP: Llama and what follows it.

    `norms` counts the norms of the hidden size in a layer; `head_norms` says whether queries and keys are normed by
    head or as a whole; `fused` means that one map makes queries, keys and values, and one gate and up.
    """
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    key_heads = int(config.get("num_key_value_heads") or heads)
    size = int(config.get("head_dim") or hidden // heads)
    queries, keys, width = heads * size, key_heads * size, int(config["intermediate_size"])

    if fused:
        reads = (Linear("qkv_proj", hidden, queries + 2 * keys),)
        mlp = (Linear("gate_up_proj", hidden, 2 * width),)
    else:
        reads = tuple(Linear(f"{n}_proj", hidden, o, bias) for n, o in (("q", queries), ("k", keys), ("v", keys)))
        mlp = tuple(Linear(f"{name}_proj", hidden, width, mlp_bias) for name in ("gate", "up"))

    of_heads = {"no": 0, "head": 2 * size, "whole": queries + keys}[head_norms]
    return ModelShape(
        family=str(config["model_type"]),
        vocabulary=int(config["vocab_size"]),
        hidden=hidden,
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        key_heads=key_heads,
        head_size=size,
        width=width,
        context=int(config.get("max_position_embeddings") or 1024),
        linears=(
            *reads,
            Linear("o_proj", queries, hidden, output_bias),
            *mlp,
            Linear("down_proj", width, hidden, mlp_bias),
        ),
        norms=norms * hidden + of_heads,
        outside=hidden,
        tied=bool(config.get("tie_word_embeddings", tied)),
        head_norms=head_norms != "no",
    )


def _llama(config: Config) -> ModelShape:
    bias = bool(config.get("attention_bias"))
    return _gated(config, bias=bias, output_bias=bias, mlp_bias=bool(config.get("mlp_bias")))


def _qwen3(config: Config) -> ModelShape:
    bias = bool(config.get("attention_bias"))
    return _gated(config, bias=bias, output_bias=bias, head_norms="head")


def _gemma(config: Config, norms: int, head_norms: Literal["no", "head"] = "no") -> ModelShape:
    bias = bool(config.get("attention_bias"))
    return _gated(config, bias=bias, output_bias=bias, norms=norms, head_norms=head_norms, tied=True)


def _mixtral(config: Config) -> ModelShape:
    """The MLP is a router and experts, which transformers holds as two tensors that are no linear modules."""
    plain = _gated(config)
    hidden, experts, width = plain.hidden, int(config["num_local_experts"]), plain.width
    mlp = (
        Linear("gate", hidden, experts, module=False, adapted=False),
        Linear("gate_up_proj", hidden, 2 * width, copies=experts, module=False),
        Linear("down_proj", width, hidden, copies=experts, module=False),
    )
    values = {name: getattr(plain, name) for name in ModelShape.__slots__}

    return ModelShape(**values | {"linears": plain.linears[:4] + mlp, "width": EXPERTS_USED * width})


def _gpt2(config: Config) -> ModelShape:
    """Learned positions, LayerNorm with bias, a plain MLP of four times the width (Radford et al. 2019)."""
    hidden, heads = int(config["n_embd"]), int(config["n_head"])
    width, context = int(config.get("n_inner") or 4 * hidden), int(config["n_positions"])
    maps = (("c_attn", hidden, 3 * hidden), ("c_proj", hidden, hidden), ("c_fc", hidden, width))
    linears = tuple(Linear(name, inputs, outputs, True) for name, inputs, outputs in maps)

    return ModelShape(
        family=str(config["model_type"]),
        vocabulary=int(config["vocab_size"]),
        hidden=hidden,
        layers=int(config["n_layer"]),
        heads=heads,
        key_heads=heads,
        head_size=hidden // heads,
        width=width,
        context=context,
        linears=(*linears, Linear("c_proj", width, hidden, True)),
        norms=4 * hidden,
        outside=2 * hidden + context * hidden,
        tied=bool(config.get("tie_word_embeddings", True)),
    )


def _gpt_neox(config: Config) -> ModelShape:
    """Rotary positions, LayerNorm with bias, a plain MLP (Black et al. 2022)."""
    hidden, heads, width = (int(config[k]) for k in ("hidden_size", "num_attention_heads", "intermediate_size"))
    bias = bool(config.get("attention_bias", True))
    return ModelShape(
        family=str(config["model_type"]),
        vocabulary=int(config["vocab_size"]),
        hidden=hidden,
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        key_heads=heads,
        head_size=hidden // heads,
        width=width,
        context=int(config["max_position_embeddings"]),
        linears=(
            Linear("query_key_value", hidden, 3 * hidden, bias),
            Linear("dense", hidden, hidden, bias),
            Linear("dense_h_to_4h", hidden, width, True),
            Linear("dense_4h_to_h", width, hidden, True),
        ),
        norms=4 * hidden,
        outside=2 * hidden,
        tied=bool(config.get("tie_word_embeddings", False)),
    )


FAMILIES: dict[str, Callable[[Config], ModelShape]] = {
    "llama": _llama,
    "mistral": _gated,
    "qwen2": lambda config: _gated(config, bias=True),
    "qwen3": _qwen3,
    "granite": _llama,
    "smollm3": _llama,
    "gemma": lambda config: _gemma(config, 2),
    "gemma2": lambda config: _gemma(config, 4),
    "gemma3_text": lambda config: _gemma(config, 4, "head"),
    "phi3": lambda config: _gated(config, fused=True),
    "olmo2": lambda config: _gated(config, head_norms="whole"),
    "mixtral": _mixtral,
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
}
"""By the `model_type` of a config."""
