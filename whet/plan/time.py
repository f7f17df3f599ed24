"""How long training takes: operations over the measured speed of matrix products, bytes over measured bandwidth.

A linear map of W weights costs 2 W operations a token forwards, 2 W for the gradient of its input, and 2 W for its own
where it is trained (Kaplan et al. 2020, section 2.1, which counts 6 W for all three).
"""

from __future__ import annotations

import math

from whet.plan.machine import Calibration, Dtype
from whet.plan.memory import FLOAT, Setting, trained_numbers
from whet.plan.shape import Shape

PASSES = 30
"""Reads and writes of one number of a layer's insides outside of matrix products, forwards and backwards."""
UPDATE_PASSES = 9
"""The update reads and writes gradient, original and two moments, clips, and writes the working weight."""


def step_seconds(shape: Shape, setting: Setting, tokens: int, calibration: Calibration) -> float:
    """Seconds of an optimiser step over so many tokens, all of them supervised, in rows of `setting.longest`."""
    dtype: Dtype = "float32" if setting.bytes_a_number == FLOAT else "bfloat16"
    products = operations(shape, setting) * tokens / (1e9 * rate(calibration, dtype, shape.hidden))
    moved = elementwise_bytes(shape, setting) * tokens + UPDATE_PASSES * FLOAT * trained_numbers(shape, setting)
    return products + moved / calibration.bandwidth


def operations(shape: Shape, setting: Setting) -> float:
    """Operations of matrix products a token, forwards and backwards."""
    layers = shape.passed - shape.table
    passes = 2 + (0 if setting.rank else 1) + (1 if setting.recompute else 0)
    adapter = 3 * trained_numbers(shape, setting) if setting.rank else 0
    head = 2 + (0 if setting.rank else 2)  # a trained output layer computes its logits again in the backward pass
    pairs = shape.layers * shape.attended * setting.longest  # queries meet every key of their block
    attention = 2 + 4 + (2 if setting.recompute else 0)
    return 2 * (passes * layers + adapter + head * shape.table + attention * pairs)


def elementwise_bytes(shape: Shape, setting: Setting) -> float:
    """Bytes a token that operations between the matrix products read and write."""
    inside = 4 * shape.hidden + 3 * shape.attended + 3 * shape.width + shape.heads * setting.longest
    logits = 6 * shape.vocabulary * FLOAT
    return shape.layers * inside * setting.bytes_a_number * PASSES / 10 + logits


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
