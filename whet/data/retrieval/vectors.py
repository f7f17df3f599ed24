"""Vectors of texts, and how near they are to each other, the same to the last bit wherever it is computed.

A vector has length 1 and is rounded to float16. Its numbers are then whole multiples of 2**-24 and their products of
2**-48, so that the sum of products of two vectors is exact in float64, in whatever order and beside whatever else it is
computed: an evaluation and a service that hold other passages beside the same one give it the same score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from whet.errors import RunError

SLACK = 1e-3
"""How far float32 may be off the exact nearness, and more: which passages are computed exactly."""


def unit_vectors(encode: Callable[[list[str]], Any], texts: Sequence[str]) -> np.ndarray:
    """(texts, width), float32: vectors of length 1, rounded to float16. Equal texts are encoded once, so they have
    equal ones. Raises RunError for vectors that are none."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    found_ND = np.asarray(encode(list(places)), np.float32)
    if found_ND.ndim != 2 or len(found_ND) != len(places) or not np.isfinite(found_ND).all():
        what = "the encoder gives no vectors, or vectors that are not of numbers"
        raise RunError(what, value=found_ND.shape, fix="name another encoder")
    unit_ND = found_ND / np.maximum(np.linalg.norm(found_ND, axis=1, keepdims=True), 1e-12)
    return rounded(unit_ND)[[places[text] for text in texts]]


def rounded(unit_ND: np.ndarray) -> np.ndarray:
    """To the numbers that float16 has, as float32, with which processors multiply faster."""
    return unit_ND.astype(np.float16).astype(np.float32)


def exact_nearness(unit_ND: np.ndarray, asked_D: np.ndarray) -> np.ndarray:
    """The cosine of each vector with the question's, (N), float32."""
    return np.vecdot(unit_ND.astype(np.float64), asked_D.astype(np.float64)).astype(np.float32)


def about_nearness(unit_ND: np.ndarray, asked_D: np.ndarray) -> np.ndarray:
    """The same but for rounding, (N), float32, and sooner: less than half of `SLACK` off. Not by a matrix product, for
    which a library would start threads that wait for each other where several clients ask."""
    return np.vecdot(unit_ND, asked_D)
