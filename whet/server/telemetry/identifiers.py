"""Identifiers of spans that follow from a name. Imports OpenTelemetry: only whoever traces imports this."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

NAME: ContextVar[str | None] = ContextVar("name", default=None)


class NamedIds(RandomIdGenerator):
    """By chance, but for what begins within `of`."""

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        token = NAME.set(name)
        try:
            yield
        finally:
            NAME.reset(token)

    def generate_span_id(self) -> int:
        name = NAME.get()
        return super().generate_span_id() if name is None else _number(f"span {name}", 8)

    def generate_trace_id(self) -> int:
        name = NAME.get()
        return super().generate_trace_id() if name is None else _number(f"trace {name}", 16)


def _number(text: str, size: int) -> int:
    """Of so many bytes, and never 0, which stands for no identifier."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "big") or 1
