"""What enters a batch that never ends, and what comes out of it, token by token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from whet.errors import InputError
from whet.generation.serving.guide import Guide
from whet.generation.serving.token_choice import TokenChoice

End = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """One answer to be written. Raises InputError for what cannot be written."""

    prompt: list[int]
    stop_ids: frozenset[int]
    max_new_tokens: int
    adapter: str | None = None
    """Its name in the batch; None: the base."""
    choice: TokenChoice = field(default_factory=TokenChoice)
    guide: Guide | None = None
    """Used up by one answer."""

    def __post_init__(self) -> None:
        if not self.prompt:
            raise InputError("the prompt is empty", where="prompt", fix="give at least one token")
        if self.max_new_tokens < 1:
            what = "at least one token must be asked for"
            raise InputError(what, where="max_new_tokens", value=self.max_new_tokens, fix="ask for 1 or more")
        if self.guide is not None and not self.stop_ids:
            what = "a guided answer ends with a stop token, and there is none"
            raise InputError(what, where="stop_ids", fix="give the tokens that end an answer of this model")


@dataclass(frozen=True, slots=True)
class WrittenToken:
    """A token of an answer. With `stop` it is the stop token itself, which is no part of the text."""

    request: int
    """The handle that `enter` gave."""
    token: int
    logprob: float
    """The model's own, before temperature, bias, penalties and guide."""
    top: list[tuple[int, float]]
    """As many as `top_logprobs` asked for, likeliest first: token and log-probability."""
    end: End | None
