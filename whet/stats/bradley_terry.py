"""How strongly one of two is preferred: the Bradley-Terry model with its interval, in closed form.

With two contestants the model (Bradley and Terry 1952, doi:10.1093/biomet/39.3-4.324) says that the tuned answer wins
with probability p = 1 / (1 + exp(-s)), and its likelihood is largest at s = log(wins / losses); a tie is half a win and
half a loss. The interval is s +- 1.96 standard errors, turned back into p. The standard error is robust: residuals are
summed by row, because several people may judge one row; without ties and with one judgement a row it is
sqrt(1 / wins + 1 / losses). Where rows share a group, groups are what is drawn and flipped, as in the main verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from whet.errors import count
from whet.stats.facts import WinRateFacts
from whet.stats.paired import Z, win_interval
from whet.stats.power import mcnemar_p


def fit_win_rate(
    outcomes: Sequence[float], rows: Sequence[object] | None = None, clusters: Sequence[object] | None = None
) -> WinRateFacts:
    """`outcomes` hold 1 where the tuned answer won, 0.5 for a tie, 0 where it lost; `rows` what each is about, and
    `clusters` the group that it belongs to, where there are groups.

    For p a row that was judged several times counts once, for its majority. Where one side won everything, half a win
    and half a loss are added, so that s is finite.
    """
    values = np.asarray(outcomes, dtype=float)
    wins, ties = int(np.sum(values == 1)), int(np.sum(values == 0.5))
    facts: WinRateFacts = {
        "wins": wins,
        "ties": ties,
        "losses": values.size - wins - ties,
        "rate": None,
        "low": None,
        "high": None,
        "strength": None,
        "p": 1.0,
        "judged": 0,
    }
    if not values.size:
        return facts

    if rows is None:
        names = list(range(values.size))
    else:
        names = [str(row) for row in rows]

    codes = np.unique(names, return_inverse=True)[1]
    strength, error = fit(values, codes)
    low, high = (float(special.expit(strength + sign * Z * error)) for sign in (-1, 1))
    lean = np.bincount(codes, values - 0.5)
    up, down = int(np.sum(lean > 0)), int(np.sum(lean < 0))
    p = mcnemar_p(up, down)

    if grouped := win_interval(values, 0, clusters):
        low, high, p = grouped
    facts["rate"], facts["low"], facts["high"] = float(values.mean()), low, high
    facts["strength"], facts["p"], facts["judged"] = strength, p, int(codes.max()) + 1
    return facts


def fit(values: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """(s, its standard error)."""
    won = float(values.sum())
    lost = values.size - won
    if min(won, lost) == 0:
        won, lost = won + 0.5, lost + 0.5
    rate = won / (won + lost)
    independent = 1 / won + 1 / lost
    residual = np.bincount(codes, values - rate)
    robust = float(np.sum(residual**2)) * independent**2
    degenerate = np.ptp(values) == 0  # all wins, all losses or all ties: no spread to estimate from

    return math.log(won / lost), math.sqrt(independent if degenerate else robust)


def format_counts(wins: int, ties: int, losses: int) -> str:
    """`3 wins, 1 tie, 2 losses`."""
    return ", ".join((count(wins, "win"), count(ties, "tie"), count(losses, "loss", "losses")))


def format_win_rate(facts: WinRateFacts, by: str) -> str:
    """The win rate in one sentence."""
    if facts["rate"] is None:
        return f"Nothing was judged by {by} yet."
    counts = format_counts(facts["wins"], facts["ties"], facts["losses"])
    return (
        f"Win rate of the tuned model {facts['rate']:.1%} (95% interval {facts['low']:.1%} to {facts['high']:.1%}), "
        f"judged by {by}: {counts}."
    )
