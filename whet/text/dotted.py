"""Values within values under dotted keys."""

from __future__ import annotations

from typing import Any


def dotted(value: Any, prefix: str = "") -> dict[str, Any]:
    """Of an object the values under dotted keys: `{"keep": {"kl": 0.1}}` is `{"keep.kl": 0.1}`. A list is a value."""
    if not isinstance(value, dict):
        return {prefix: value}

    values: dict[str, Any] = {}
    for key, inner in value.items():
        values |= dotted(inner, f"{prefix}.{key}".lstrip("."))
    return values
