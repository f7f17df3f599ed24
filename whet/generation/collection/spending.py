"""What a collection may cost: counted over all its runs, and never exceeded.

A request is sent only while its worst case still fits: every byte of its messages a token, and the longest answer. What
it really took is known afterwards from the server's own count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whet.errors import InputError
from whet.types import Message

FRAME = 16
"""Tokens that a chat template may put around a message."""
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a request and of its answer. `estimated` where the server did not count them: then the worst case."""

    prompt_tokens: int = 0
    answer_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.answer_tokens + other.answer_tokens,
            self.estimated or other.estimated,
        )

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.answer_tokens


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """`tokens` in all; `usd` at `price_in` and `price_out` dollars a million tokens. None: no bound."""

    tokens: int | None = None
    usd: float | None = None
    price_in: float | None = None
    price_out: float | None = None

    def __post_init__(self) -> None:
        """Raises InputError for a bound that cannot be kept."""
        for name, value in (("budget-tokens", self.tokens), ("budget-usd", self.usd)):
            if value is not None and not 0 < value < float("inf"):
                raise InputError("a budget is a number above 0", where=f"--{name}", value=value)

        for name, value in (("price-in", self.price_in), ("price-out", self.price_out)):
            if value is not None and not 0 <= value < float("inf"):
                raise InputError("a price is a number of dollars, 0 or more", where=f"--{name}", value=value)

        if self.usd is not None and (self.price_in is None or self.price_out is None):
            fix = "add --price-in and --price-out, in dollars a million tokens"
            raise InputError("a budget in dollars needs prices", where="--budget-usd", value=self.usd, fix=fix)

    def cost(self, usage: Usage) -> float | None:
        """Dollars; None without prices."""
        if self.price_in is None or self.price_out is None:
            return None
        return (usage.prompt_tokens * self.price_in + usage.answer_tokens * self.price_out) / MILLION

    def holds(self, usage: Usage) -> bool:
        cost = self.cost(usage)
        within = self.tokens is None or usage.tokens <= self.tokens
        return within and (self.usd is None or cost is None or cost <= self.usd)


def worst_case(messages: Sequence[Message], max_tokens: int) -> Usage:
    """No tokenizer that begins from bytes makes more tokens than that."""
    read = sum(len(str(message.get("content") or "").encode("utf-8", "replace")) + FRAME for message in messages)
    return Usage(read, max_tokens, estimated=True)
