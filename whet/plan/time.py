"""How long training takes: operations over the measured speed of matrix products, bytes over measured bandwidth.

A linear map of W weights costs 2 W operations a token forwards, 2 W for the gradient of its input, and 2 W for its own
where it is trained (Kaplan et al. 2020, section 2.1, which counts 6 W for all three).
"""

from __future__ import annotations

import math

from whet.plan.machine import Calibration, Dtype
from whet.plan.memory import FLOAT, QUERIES, Setting, trained_numbers
from whet.plan.shape import Shape

HIDDEN_PASSES, HEAD_PASSES, WIDTH_PASSES, SCORE_PASSES, LOGIT_PASSES = 38, 16, 19, 9, 12
"""Reads and writes of a number outside of products, forwards and backwards, counted in model/fused and logprob.py:
of hidden states (two norms, their backward passes, residuals), of all heads' outputs (rotary positions, transposing),
of the MLP's width (the gated activation), of attention scores and of logits (softmax and its gradient)."""
UPDATE_PASSES = 12
"""Of a float32 number of what is trained: gradient made, measured and clipped; original and moments; weight written."""


def step_seconds(shape: Shape, setting: Setting, tokens: int, calibration: Calibration) -> float:
    """Seconds of an optimiser step over so many tokens, all of them supervised, in rows of `setting.longest`."""
    dtype: Dtype = "float32" if setting.bytes_a_number == FLOAT else "bfloat16"
    products = operations(shape, setting) * tokens / (1e9 * rate(calibration, dtype, shape.hidden))
    between = elementwise_bytes(shape, setting) * tokens / calibration.bandwidth[dtype]
    update = UPDATE_PASSES * FLOAT * trained_numbers(shape, setting) / calibration.bandwidth["float32"]
    return products + between + update


def operations(shape: Shape, setting: Setting) -> float:
    """Operations of matrix products a token, forwards and backwards."""
    layers = shape.passed - shape.table
    passes = 2 + (0 if setting.rank else 1) + (1 if setting.recompute else 0)
    adapter = 3 * trained_numbers(shape, setting) if setting.rank else 0
    head = 2 + (0 if setting.rank else 2)  # a trained output layer computes its logits again in the backward pass
    pairs = shape.layers * shape.attended * _keys(setting)
    attention = 2 + 4 + (2 if setting.recompute else 0)
    return 2 * (passes * layers + adapter + head * shape.table + attention * pairs)


def elementwise_bytes(shape: Shape, setting: Setting) -> float:
    """Bytes a token that operations between the matrix products read and write."""
    layer = HIDDEN_PASSES * shape.hidden + HEAD_PASSES * shape.attended + WIDTH_PASSES * shape.width
    scores = SCORE_PASSES * shape.heads * _keys(setting)
    again = 4 / 3 if setting.recompute else 1  # a forward pass is about a third of both
    logits = LOGIT_PASSES * shape.vocabulary * FLOAT * (1 if setting.rank else 1.5)
    return shape.layers * (layer + scores) * again * setting.bytes_a_number + logits


def _keys(setting: Setting) -> float:
    """Keys that a query meets on average: long rows go in blocks of queries, each up to its own end."""
    return setting.longest if setting.longest <= QUERIES else (setting.longest + QUERIES) / 2


def rate(calibration: Calibration, dtype: Dtype, hidden: int) -> float:
    """10^9 operations a second of products of this width: between the measured sizes, on a logarithmic scale."""
    measured = sorted(calibration.products[dtype].items())
    if hidden <= measured[0][0]:
        return measured[0][1]
    for (low, slow), (high, fast) in zip(measured, measured[1:], strict=False):
        if hidden <= high:
            part = math.log(hidden / low) / math.log(high / low)
            return slow + part * (fast - slow)
    return measured[-1][1]
