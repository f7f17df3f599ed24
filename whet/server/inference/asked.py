"""A conversation that is ready to be answered, whoever writes: the service's own engine, or another one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from whet.server.inference.answers import Piece, Token
from whet.server.inference.sources import Sources


class Asked(Protocol):
    @property
    def name(self) -> str:
        """Of the model, as the client knows it."""
        ...

    @property
    def fingerprint(self) -> str:
        """OpenAI's system_fingerprint."""
        ...

    @property
    def number(self) -> int:
        """How many answers are written."""
        ...

    @property
    def sources(self) -> Sources | None:
        """What the answer rests on besides."""
        ...

    def answers(self) -> AsyncGenerator[Piece]:
        """Raises ApiError; whoever stops reading ends them all."""
        ...

    def entry(self, token: Token) -> dict[str, Any]:
        """A token with its log-probability, as chat completions tell it."""
        ...

    def usage(self, written: int) -> dict[str, Any]:
        """Tokens read and written, once the answers are. `written`: what their pieces say."""
        ...
