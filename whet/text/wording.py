"""Numbers and words as the reports write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from whet.errors import count
from whet.text.dotted import dotted

WORDS = {
    "better": ("Better", "\u25b2"),
    "worse": ("Worse", "\u25bc"),
    "no-difference": ("No difference", "\u25cf"),
    "undecided": ("Undecided", "?"),
}
"""Title and sign of each word of a verdict."""


def capitalise(text: str) -> str:
    """The first letter large, and the others as they are."""
    return text[:1].upper() + text[1:]


def plain_word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\u2013" if value is None else str(value)


def number(value: Any, otherwise: float) -> float:
    if is_finite(value):
        return float(value)
    return otherwise


def is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def size(count: float) -> str:
    for word in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {word}"
        count /= 1000
    return f"{count:.2f} GB"


def day(date: datetime) -> str:
    return f"{date.day} {date:%B %Y}"


def setting(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return plain_word(value)


def flatten(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Any JSON value as (dotted key, text) pairs; the items of a list of lists or objects are numbered from 1."""
    pairs = []
    for key, inner in dotted(value, prefix).items():
        if isinstance(inner, list) and any(isinstance(item, (dict, list)) for item in inner):
            for place, item in enumerate(inner, 1):
                pairs += flatten(item, f"{key} {place}".strip())
        elif isinstance(inner, list) and key:
            pairs.append((key, ", ".join(map(str, inner))))
        elif key:
            pairs.append((key, plain_word(inner)))
    return pairs


def on_gpu(facts: Mapping[str, Any]) -> bool:
    """Whether a run was trained on one; runs of earlier versions do not say, and had none."""
    return facts.get("peak_memory_of", "cpu") != "cpu"


def format_effort(facts: Mapping[str, Any]) -> str:
    """`31.2 s of training · 4,512 tokens/s in its steps · 1.20 GB at most`; memory is that of the training."""
    parts = [f"{facts['seconds']:.1f} s of training"]
    if facts.get("tokens_per_second"):
        parts.append(f"{facts['tokens_per_second']:,.0f} tokens/s in its steps")

    if facts.get("peak_memory_bytes"):
        where = " on the GPU" if on_gpu(facts) else ""
        parts.append(f"{facts['peak_memory_bytes'] / 1e9:.2f} GB{where} at most")

    if facts.get("tampered"):
        parts.append(f"{count(facts['tampered'], 'answer')} tampered with the tests")
    return "  ·  ".join(parts)
