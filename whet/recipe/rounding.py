"""Numbers of the rules, rounded as they are told."""

from __future__ import annotations

import math


def power_of_two(value: float) -> int:
    """The largest power of two that is not above `value`; at least 16."""
    return 1 << max(4, math.floor(math.log2(max(1.0, value))))


def format_epochs(passes: float) -> str:
    if passes == 1:
        return "1 epoch"
    return f"{passes:g} epochs"
