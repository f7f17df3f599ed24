"""Traces as a log of a big model has them, made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whet.monitoring.trace import Trace

BEGIN, HOUR = 1_790_000_000.0, 3600.0


def made(place: int, asked: str, answer: str | None, system: str = "Name the colour.", **facts: Any) -> Trace:
    messages = [{"role": "system", "content": system}] if system else []
    told: dict[str, Any] = {
        "at": BEGIN + place * HOUR,
        "model": "big",
        "prompt_tokens": 100,
        "answer_tokens": 10,
        "seconds": 2.0,
        "finish_reason": "stop",
    }
    said = [*messages, {"role": "user", "content": asked}]
    return Trace(id=f"t{place}", where=f"log:{place}", messages=said, answer=answer, **(told | facts))


def log_of(answers: Sequence[str], system: str = "Name the colour.", **facts: Any) -> list[Trace]:
    """One request an answer, each of other words."""
    return [made(place, unlike(place), answer, system, **facts) for place, answer in enumerate(answers)]


def unlike(place: int) -> str:
    """Words that no other place has: nothing of it is a near-copy of another."""
    return " ".join(f"w{place}x{part}" for part in range(16))
