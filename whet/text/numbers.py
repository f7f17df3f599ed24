"""How scores and their differences are told: scores within 0..1 in percent and points, others as plain numbers."""

from __future__ import annotations

import math


def signed(value: float) -> str:
    """One decimal with a sign; what rounds to zero has none."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def format_p(p: float, prefix: bool = True) -> str:
    """`p = 0.012`, or the number alone; below 0.0001 only the bound."""
    if p < 0.0001:
        sign, number = "<", "0.0001"
    elif p < 0.995:
        sign, number = "=", f"{p:.2g}"
    else:
        sign, number = "=", "1"

    if prefix:
        return f"p {sign} {number}"
    if sign == "=":
        return number
    return f"{sign} {number}"


def format_duration(seconds: float) -> str:
    """As measured: `4.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 60:
        if seconds < 9.95:
            return f"{seconds:.1f} s"
        return f"{seconds:.0f} s"

    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s"


def format_rough_duration(seconds: float) -> str:
    """As forecast, in whole units: `40 seconds`, `12 minutes`, `3 hours`."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def round_two_digits(value: float) -> float:
    """The nearest number of two significant digits: for settings that a rule chose."""
    return float(f"{value:.1e}")


def round_up_two_digits(number: int) -> int:
    """Rounded up to two digits, because a forecast of rows is not better than that."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return -(-number // unit) * unit


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
