"""The kinds of numbers that a GGUF file is written in: those that the package gguf quantises to."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from whet.errors import ModelError
from whet.model.gguf.header import package


class Kind(NamedTuple):
    """Numbers of matrices. Vectors (norms, biases) stay float32: they are few, and llama.cpp computes with them so."""

    name: str
    """Of GGMLQuantizationType."""
    file_type: int
    """general.file_type of ggml.h's llama_ftype."""


KINDS = {
    "f16": Kind("F16", 1), "bf16": Kind("BF16", 32), "f32": Kind("F32", 0), "q8_0": Kind("Q8_0", 7),
    "q5_1": Kind("Q5_1", 9), "q5_0": Kind("Q5_0", 8), "q4_1": Kind("Q4_1", 3), "q4_0": Kind("Q4_0", 2),
}  # fmt: skip
LOSSLESS = ("f16", "bf16", "f32")
"""No quantisation; f16 rounds numbers below 6e-5 of bfloat16."""
ELSEWHERE = {
    "q2_k", "q3_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_k", "q4_k_s", "q4_k_m", "q5_k", "q5_k_s", "q5_k_m", "q6_k",
    "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_nl", "iq4_xs",
}  # fmt: skip
"""Kinds that llama.cpp quantises to, and the package gguf, which it publishes for Python, only reads."""


def kind_refusal(kind: str) -> str | None:
    """Why there is no such kind here, and what to do; None where there is."""
    if kind in KINDS:
        return None
    if kind in ELSEWHERE:
        return (
            f"the package gguf reads {kind} and does not write it: export --type f16, then "
            f"llama-quantize model.gguf model-{kind}.gguf {kind.upper()}"
        )

    return f"{kind!r} is no kind of numbers that is written here; these are: {', '.join(KINDS)}"


def quantised(name: str, weight: Tensor, kind: str) -> tuple[Any, Any]:
    """A tensor's bytes, and their type in ggml. Raises ModelError where a number does not fit into float16."""
    gguf = package()
    chosen = stored_type(tuple(weight.shape), kind)

    values = weight.float().numpy()
    with np.errstate(over="ignore"):  # told below
        packed = gguf.quants.quantize(values, chosen)

    if chosen == gguf.GGMLQuantizationType.F16 and not np.isfinite(packed).all():
        largest = float(np.abs(values).max())
        what = f"{name} holds the number {largest:.4g}, and float16 ends at 65,504"
        raise ModelError(what, where="--type f16", fix="use --type bf16, which holds it")

    return packed, chosen


def stored_type(shape: tuple[int, ...], kind: str) -> Any:
    """Vectors are float32; rows that are no whole number of blocks are float16."""
    gguf = package()
    if len(shape) < 2:
        return gguf.GGMLQuantizationType.F32
    chosen = gguf.GGMLQuantizationType[KINDS[kind].name]

    block = gguf.GGML_QUANT_SIZES[chosen][0]
    if shape[-1] % block == 0:
        return chosen
    return gguf.GGMLQuantizationType.F16


def stored_bytes(shape: tuple[int, ...], chosen: Any) -> int:
    """What a tensor takes in the file."""
    block, width = package().GGML_QUANT_SIZES[chosen]
    return int(np.prod(shape, dtype=np.int64)) // block * width
