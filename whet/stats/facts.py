"""What agreement and win rates are as JSON; without numpy, so that light rooms can read what was computed."""

from __future__ import annotations

from typing import TypedDict


class KappaFacts(TypedDict):
    """How two judges agree; kappa and its interval are None where chance agrees always, all four without rows."""

    kappa: float | None
    low: float | None
    high: float | None
    """95% interval."""
    agreement: float | None
    """Share of equal labels."""
    rows: int


class WinRateFacts(TypedDict):
    """How strongly the tuned answer is preferred; rate, interval and strength are None where nothing was judged."""

    wins: int
    ties: int
    losses: int
    rate: float | None
    low: float | None
    high: float | None
    """95% interval of the rate."""
    strength: float | None
    """s, in log-odds."""
    p: float
    """Of the two-sided sign test with the mid-p on the decided rows."""
    judged: int
    """Distinct rows."""
