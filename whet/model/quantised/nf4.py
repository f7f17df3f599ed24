"""4-bit bases (QLoRA): which layers are quantised, and their weights back in full for the instant of their use.

NF4 in blocks of 64 with double quantisation, after Dettmers et al. 2023 (arXiv 2305.14314, section 3), by bitsandbytes.
Embeddings, norms and the output layer stay in the dtype of the computation: log-probabilities read the output layer's
own weight, and a tied one is the embedding.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn

from whet.errors import ModelError

BLOCK = 64
"""Weights that share a scale. bitsandbytes 0.50 dequantises a weight wrongly on a processor with AVX-512 where rows of
32 (mod 64) numbers break across blocks; so rows must be whole blocks."""


def bitsandbytes() -> Any:
    """The package that quantises. Raises ModelError where it is not installed."""
    try:
        import bitsandbytes as package
    except ImportError as error:
        what, fix = "a 4-bit base needs the package bitsandbytes", 'pip install "whet[quant]"'
        raise ModelError(what, where="quantise", value="nf4", fix=fix) from error
    return package


def nf4_config(dtype: torch.dtype) -> Any:
    """transformers' setting for a base that computes in `dtype`. Raises ModelError without bitsandbytes."""
    bitsandbytes()
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def is_quantised(module: Any) -> bool:
    """Is this a 4-bit layer?"""
    package = sys.modules.get("bitsandbytes")  # where nobody has imported it, nobody has made a layer of it
    return package is not None and isinstance(module, package.nn.Linear4bit)


def quantised_linears(model: nn.Module) -> dict[str, Any]:
    """The 4-bit layers of a model by name, those under an adapter too."""
    return {name: module for name, module in model.named_modules() if is_quantised(module)}


def keep_weights_unpacked(model: nn.Module) -> None:
    """Switch off, layer by layer, the repacking of 4-bit weights for processors with avx512_bf16.

    bitsandbytes 0.50 repacks a weight in the first forward pass of `eval()`, for faster generation. What is packed has
    no backward pass, so that training after an evaluation silently loses the gradient through every such layer, and
    packing rounds the weight. Here one model is evaluated and trained in turn.
    """
    for layer in quantised_linears(model).values():
        layer.support_avx512bf16_for_cpu = False


def dtype_of(layer: Any) -> torch.dtype:
    """What a 4-bit layer unpacks its weight to."""
    return layer.weight.quant_state.dtype


def compute_in(layer: Any, computed: torch.dtype, unpacked: torch.dtype) -> None:
    """Let a 4-bit layer multiply in one dtype, with its weight unpacked to another."""
    layer.compute_dtype, layer.weight.quant_state.dtype = computed, unpacked


def dequantised(module: Any) -> Tensor:
    """The weight of any linear layer, shape (out, in), in the dtype of the computation; a plain one as it is.

    Of a 4-bit layer this is a fresh tensor: let go of it after use.
    """
    weight = module.weight
    state = getattr(weight, "quant_state", None)
    if state is None:
        return weight
    with torch.no_grad():
        return bitsandbytes().functional.dequantize_4bit(weight.data, state)
