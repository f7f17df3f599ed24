"""Vectors of texts from a model with a head: what the head reads, at length 1."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import torch

from whet.server.errors import ApiError
from whet.server.inference.classes import MOST_TEXTS, refuse_length, rows_of
from whet.server.inference.hosting.scorers import ScoringModel

MOST_TOKENS = 300_000
"""Of all inputs of a request together, as OpenAI has it."""
Inputs = str | list[str] | list[int] | list[list[int]] | list[list[dict[str, Any]]]
"""A text, several, tokens, or for a reward model answered conversations."""


async def vectors_of(model: ScoringModel, given: Inputs, name: str) -> tuple[torch.Tensor, int]:
    """(the vector of each input at length 1, shape (R, D), float32; the tokens that were read). Raises ApiError."""
    rows = await asyncio.to_thread(_rows, model, given, name)
    tokens = sum(map(len, rows))
    if tokens > MOST_TOKENS:
        what = f"input has {tokens:,} tokens, and a request takes {MOST_TOKENS:,}: send it in parts."
        raise ApiError(400, what, code="max_tokens_per_request", param="input")
    hidden_RD = await model.hidden(rows)
    return torch.nn.functional.normalize(hidden_RD, dim=-1), tokens


def written(vector_D: torch.Tensor, encoding: str) -> str | list[float]:
    """ "float": numbers; "base64": their bytes as float32, the lowest first, as OpenAI's clients ask for."""
    if encoding == "float":
        return vector_D.tolist()
    return base64.b64encode(vector_D.numpy().astype("<f4").tobytes()).decode("ascii")


def _rows(model: ScoringModel, given: Inputs, name: str) -> list[list[int]]:
    inputs = _listed(given)
    if not 1 <= len(inputs) <= MOST_TEXTS:
        what = f"input takes 1 to {MOST_TEXTS:,} texts, and has {len(inputs):,}."
        raise ApiError(400, what, code="invalid_value", param="input")
    if not _are_tokens(inputs):
        return rows_of(model, inputs, name)

    for number, ids in enumerate(inputs):
        where = "input" if ids is given else f"input.{number}"
        refuse_length(model, ids, where)
        wrong = next((token for token in ids if not 0 <= token < model.vocabulary), None)
        if wrong is not None:
            what = f"{where}: {wrong} is no token of this model, which has the tokens 0 to {model.vocabulary - 1:,}."
            raise ApiError(400, what, code="invalid_value", param=where)
    return inputs


def _listed(given: Inputs) -> list[Any]:
    """One input for each vector."""
    one = isinstance(given, str) or (given and isinstance(given[0], int))
    return [given] if one else list(given)


def _are_tokens(inputs: Sequence[Any]) -> bool:
    first = inputs[0]
    return isinstance(first, list) and not (first and isinstance(first[0], dict))
