"""How long training takes: operations over the measured speed of matrix products, bytes over measured bandwidth.

A linear map of W weights costs 2 W operations a token forwards, 2 W for the gradient of its input, and 2 W for its own
where it is trained (Kaplan et al. 2020, section 2.1, which counts 6 W for all three).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from whet.planning.machine import Calibration, Dtype
from whet.planning.memory import FLOAT, QUERIES, Setting, trained_numbers
from whet.planning.model_shape import ModelShape

HIDDEN_PASSES, HEAD_PASSES, WIDTH_PASSES, SCORE_PASSES, LOGIT_PASSES = 38, 16, 19, 9, 12
"""Reads and writes of a number outside of products, forwards and backwards, counted in model/fused and logprob.py:
of hidden states (two norms, their backward passes, residuals), of all heads' outputs (rotary positions, transposing),
of the MLP's width (the gated activation), of attention scores and of logits (softmax and its gradient)."""
UPDATE_PASSES = 12
"""Of a float32 number of what is trained: gradient made, measured and clipped; original and moments; weight written."""


def step_seconds(
    shape: ModelShape, setting: Setting, tokens: float, calibration: Calibration, supervised: float = 1.0
) -> float:
    """Seconds of an optimiser step over so many tokens in rows of `setting.longest`, a share of them supervised."""
    dtype = _dtype(setting)
    products = operations(shape, setting, supervised) * tokens / (1e9 * rate(calibration, dtype, shape.hidden))
    between = elementwise_bytes(shape, setting, supervised) * tokens / calibration.bandwidth[dtype]
    update = UPDATE_PASSES * FLOAT * trained_numbers(shape, setting) / calibration.bandwidth["float32"]
    return (products + between) * excess(calibration, dtype, shape.hidden) + update


def read_seconds(
    shape: ModelShape, setting: Setting, tokens: float, calibration: Calibration, supervised: float = 1.0
) -> float:
    """Seconds of a forward pass alone over so many tokens, in rows of `setting.longest`."""
    dtype = _dtype(setting)
    layers, pairs = shape.passed - shape.table, shape.layers * shape.attended * _keys(setting)

    if setting.rank:
        adapter = trained_numbers(shape, setting)
    else:
        adapter = 0

    products = 2 * tokens * (layers + adapter + supervised * shape.table + 2 * pairs)
    between = elementwise_bytes(shape, setting, supervised) * tokens / 3 / calibration.bandwidth[dtype]
    seconds = products / (1e9 * rate(calibration, dtype, shape.hidden)) + between
    return seconds * excess(calibration, dtype, shape.hidden)


def _dtype(setting: Setting) -> Dtype:
    if setting.bytes_a_number == FLOAT:
        return "float32"
    return "bfloat16"


def excess(calibration: Calibration, dtype: Dtype, hidden: int) -> float:
    """How many times longer a layer was seen to take than its products and bytes say."""
    return between_sizes(calibration.training.get(dtype, {0: 1.0}), hidden)


def operations(shape: ModelShape, setting: Setting, supervised: float = 1.0) -> float:
    """Operations of matrix products a token, forwards and backwards."""
    layers = shape.passed - shape.table
    passes = 2 + (0 if setting.rank else 1) + (1 if setting.recompute else 0)

    if setting.rank:
        adapter = 3 * trained_numbers(shape, setting)
    else:
        adapter = 0

    head = 2 + (0 if setting.rank else 2)  # a trained output layer computes its logits again in the backward pass
    pairs = shape.layers * shape.attended * _keys(setting)
    attention = 2 + 4 + (2 if setting.recompute else 0)
    return 2 * (passes * layers + adapter + supervised * head * shape.table + attention * pairs)


def elementwise_bytes(shape: ModelShape, setting: Setting, supervised: float = 1.0) -> float:
    """Bytes a token that operations between the matrix products read and write."""
    layer = HIDDEN_PASSES * shape.hidden + HEAD_PASSES * shape.attended + WIDTH_PASSES * shape.width
    scores = SCORE_PASSES * shape.heads * _keys(setting)
    again = 4 / 3 if setting.recompute else 1  # a forward pass is about a third of both
    logits = supervised * LOGIT_PASSES * shape.vocabulary * FLOAT * (1 if setting.rank else 1.5)
    return shape.layers * (layer + scores) * again * setting.bytes_a_number + logits


def _keys(setting: Setting) -> float:
    """Keys that a query meets on average: long rows go in blocks of queries, each up to its own end."""
    if setting.longest <= QUERIES:
        return setting.longest
    return (setting.longest + QUERIES) / 2


def rate(calibration: Calibration, dtype: Dtype, hidden: int) -> float:
    """10^9 operations a second of products of this width."""
    return between_sizes(calibration.products[dtype], hidden)


def between_sizes(by_size: Mapping[int, float], hidden: int) -> float:
    """What was measured at some sizes, at another: between them on a logarithmic scale, beyond them as at the last."""
    measured = sorted(by_size.items())
    if hidden <= measured[0][0]:
        return measured[0][1]

    for (low, small), (high, large) in zip(measured, measured[1:], strict=False):
        if hidden <= high:
            part = math.log(hidden / low) / math.log(high / low)
            return small + part * (large - small)

    return measured[-1][1]
