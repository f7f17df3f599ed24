"""What an answer may rest on besides the conversation: passages of documents. Whoever finds them
(whet/server/knowledge) puts them into the conversation and says afterwards what the answer makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Protocol

from pydantic import Field

from whet.server.inference.bodies import Body
from whet.types import Message


class Sources(Protocol):
    """Of one request. Everything but `arrange` is asked after it."""

    def arrange(self, messages: list[Message], size: Callable[[list[Message]], int], most: int) -> list[Message]:
        """The conversation with the passages; `size` counts the tokens of one, of which there may be `most`. Raises
        ApiError."""
        ...

    def passages(self) -> list[dict[str, Any]]:
        """The passages in the prompt, best first."""
        ...

    def grounding(self, answer: str) -> dict[str, Any]:
        """What the answer makes of them, by the measures of an evaluation."""
        ...

    def citations(self, answer: str) -> list[dict[str, Any]]:
        """The files that the answer draws on, as annotations of a response."""
        ...

    def search_call(self) -> dict[str, Any]:
        """The search as an item of a response."""
        ...


class DocumentsBody(Body):
    """The key `documents` of a chat completion: a store, and how many of its passages are put into the prompt."""

    store: Annotated[str, Field(min_length=1, max_length=64)]
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    filters: Any = None
