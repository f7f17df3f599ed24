"""Short ways to ask an open batch, for tests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from whet.generation.serving.open_batch import OpenBatch
from whet.generation.serving.request import AnswerRequest, WrittenToken
from whet.generation.serving.token_choice import TokenChoice

GREEDY = TokenChoice(temperature=0)


def prompts(lengths: Sequence[int], seed: int = 0) -> list[list[int]]:
    chosen = random.Random(seed)
    return [[chosen.randrange(5, 4096) for _ in range(length)] for length in lengths]


def asked(prompt: list[int], new: int = 12, stop: Sequence[int] = (), **more: Any) -> AnswerRequest:
    return AnswerRequest(prompt, frozenset(stop), new, **{"choice": GREEDY} | more)


def finish(batch: OpenBatch, most: int = 100_000) -> dict[int, list[WrittenToken]]:
    """All tokens by handle, once nothing is left to be written."""
    found: dict[int, list[WrittenToken]] = {}
    for _ in range(most):
        if not batch.running and not batch.waiting:
            return found
        for token in batch.advance():
            found.setdefault(token.request, []).append(token)
    raise AssertionError("the batch does not come to an end")


def answer(batch: OpenBatch, request: AnswerRequest) -> list[int]:
    handle = batch.enter(request)
    return [token.token for token in finish(batch)[handle]]
