"""A guide that writes given tokens, whatever the model would write: their log-probabilities are what is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from whet.generation.serving.request import AnswerRequest
from whet.generation.serving.token_choice import TokenChoice


class Forced:
    """`size` is the number of the model's tokens."""

    def __init__(self, tokens: Sequence[int], size: int) -> None:
        self.tokens, self.size, self.place = tokens, size, 0

    def allowed(self) -> Tensor:
        allowed_V = torch.zeros(self.size, dtype=torch.bool)
        if not self.is_over:
            allowed_V[self.tokens[self.place]] = True
        return allowed_V

    def advance(self, token: int) -> None:
        self.place += 1

    @property
    def may_end(self) -> bool:
        return self.is_over

    @property
    def is_over(self) -> bool:
        return self.place >= len(self.tokens)


def forced_request(
    prompt: list[int], tokens: Sequence[int], size: int, adapter: str | None, top_logprobs: int = 0
) -> AnswerRequest:
    """It ends after the last of `tokens`, by its limit: none of them is a stop token here, so that theirs is read
    too."""
    elsewhere = next(token for token in range(size) if token not in set(tokens))
    choice = TokenChoice(temperature=0.0, top_logprobs=top_logprobs)
    return AnswerRequest(prompt, frozenset({elsewhere}), len(tokens), adapter, choice, Forced(tokens, size))
