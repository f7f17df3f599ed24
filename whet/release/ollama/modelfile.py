"""Ollama's Modelfile: which file, which template, where to stop, and how tokens are chosen.

What is left out Ollama fills in with its own: a repeat penalty of 1.1, a temperature of 0.8, a context of a few
thousand tokens. Those are written out, so that what answers is what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST_CONTEXT = 8192
"""Tokens that Ollama is told to make room for; more than this is a choice that costs memory."""
QUOTES = '"""'


@dataclass(frozen=True, slots=True)
class Modelfile:
    model: str
    """The GGUF file beside it."""
    template: str
    stops: Sequence[str]
    context: int
    """The longest that the model reads."""
    generation: dict[str, Any]
    """generation_config.json."""

    def text(self) -> str:
        lines = [f"FROM ./{self.model}", f"TEMPLATE {QUOTES}{self.template}{QUOTES}"]
        lines += [f'PARAMETER stop "{_escaped(stop)}"' for stop in self.stops]
        lines += [f"PARAMETER {name} {value}" for name, value in self.parameters().items()]
        return "\n".join(lines) + "\n"

    def parameters(self) -> dict[str, float | int]:
        told = self.generation
        samples = bool(told.get("do_sample"))
        chosen = {
            "temperature": told.get("temperature", 1.0) if samples else 0,
            "top_k": told.get("top_k", 0) if samples else None,
            "top_p": told.get("top_p", 1.0) if samples else None,
            "repeat_penalty": told.get("repetition_penalty", 1.0),
            "num_ctx": min(self.context, MOST_CONTEXT),
        }

        return {name: value for name, value in chosen.items() if value is not None}


def unquotable(template: str, stops: Sequence[str]) -> str | None:
    """What cannot stand in a Modelfile; None where all can."""
    if QUOTES in template:
        return "its template has three quotes in a row"
    odd = [stop for stop in stops if "\n" in stop or not stop.strip()]
    if odd:
        return f"its stop {odd[0]!r} cannot stand in a line"
    return None


def _escaped(stop: str) -> str:
    return stop.replace("\\", "\\\\").replace('"', '\\"')
