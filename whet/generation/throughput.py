"""How fast a model writes: seconds of a step that adds a token to each of some answers, measured on this machine."""

from __future__ import annotations

import time
from typing import Any

from whet.generation.engine import Sampling, generate
from whet.model.base import load_tokenizer

ANSWERS, PROMPT, SHORT, LONG = 32, 16, 16, 48
"""Answers that are written together, tokens of their prompts, and tokens of the shorter and of the longer answers: what
lies between them is steps alone."""
ROUNDS = 3


def seconds_of_a_step(model: Any) -> float:
    """Of ANSWERS answers, the least disturbed of a few rounds; nothing stops them. Any vocabulary above PROMPT."""
    tokenizer = load_tokenizer("nano")
    prompts = []
    for row in range(ANSWERS):
        prompts.append([1 + (row + place) % PROMPT for place in range(PROMPT)])

    def seconds_for(tokens: int) -> float:
        began = time.perf_counter()
        generate(model, tokenizer, prompts, frozenset(), Sampling(tokens))
        return time.perf_counter() - began

    seconds_for(SHORT)  # the first round makes kernels
    short = min(seconds_for(SHORT) for _ in range(ROUNDS))
    long = min(seconds_for(LONG) for _ in range(ROUNDS))
    return max(1e-9, long - short) / (LONG - SHORT)
