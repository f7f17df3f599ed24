"""A token with its log-probability, in the shape of OpenAI's chat completions."""

from __future__ import annotations

from typing import Any

from whet.generation.serving.request import WrittenToken
from whet.server.inference.words.token_bytes import TokenBytes

LEAST_LOGPROB = -9999.0


def token_logprob(token: WrittenToken, table: TokenBytes) -> dict[str, Any]:
    top = [_entry(number, logprob, table) for number, logprob in token.top]
    return _entry(token.token, token.logprob, table) | {"top_logprobs": top}


def told(logprob: float) -> float:
    """JSON has no infinity: OpenAI writes -9999 for what is impossible."""
    return max(logprob, LEAST_LOGPROB)


def _entry(token: int, logprob: float, table: TokenBytes) -> dict[str, Any]:
    return {"token": table.shown(token), "logprob": told(logprob), "bytes": list(table.of(token))}
