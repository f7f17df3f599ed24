"""How scores and their differences are told: scores within 0..1 in percent and points, others as plain numbers."""

from __future__ import annotations

import math


def signed(value: float) -> str:
    """One decimal with a sign; what rounds to zero has none."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def points(share: float) -> str:
    value = 100 * share
    if value == 1:
        return f"{value:g} point"
    return f"{value:g} points"


def plain_number(score: float) -> str:
    """Three significant digits."""
    return f"{score:.3g}"


def format_score(score: float, scale: float | None) -> str:
    """`scale` is that of the Difference: None for scores within 0..1."""
    if scale is None:
        return f"{100 * score:.1f}%"
    return plain_number(score)


def format_range(low: float | None, high: float | None, scale: float | None) -> str:
    """An interval of a score. Equal scores outside 0..1 have none: nothing says how far others may lie."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "no interval"
    return f"{format_score(low, scale)} to {format_score(high, scale)}"


def format_change(value: float, scale: float | None) -> str:
    """Without the unit, so that an interval can be told with one."""
    if scale is None:
        return signed(100 * value)
    if value:
        return f"{value:+.3g}"
    return "0"


def format_change_range(low: float, high: float, scale: float | None) -> str:
    """The interval of a difference, without the unit."""
    return f"{format_change(low, scale)} to {format_change(high, scale)}"


def format_size(value: float, scale: float | None) -> str:
    """A standard error, or another size without a sign."""
    if scale is None:
        return f"{100 * value:.1f}"
    return plain_number(value)


def format_metric_name(name: str) -> str:
    """A function of the user's without the folders before its file; any other name as it is."""
    if ".py:" in name:
        return name.rpartition("/")[2]
    return name


def unit(scale: float | None) -> str:
    return " points" if scale is None else ""


def format_reach(share: float, scale: float | None) -> str:
    """A share of what scores can be, such as the largest difference that does not matter."""
    if scale is None:
        return points(share)
    return f"{plain_number(share * scale)}, {100 * share:g}% of the range of the scores,"
