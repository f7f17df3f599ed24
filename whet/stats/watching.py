"""Evidence that what comes now is not as what came before, valid however often one looks.

Under no change, a reference and the observations after it are exchangeable: each observation's rank among all before it
is uniform and independent of the earlier ranks (conformal p-values; Vovk, Gammerman and Shafer 2005, chapter 7). A
gambler who bets on small ranks multiplies a capital of 1 that no strategy can make grow: the chance that it ever
reaches 1 / alpha is at most alpha (Ville). No number of looks, no reference of a certain size and no distribution is
assumed. What is assumed is independence of the observations: whoever asks hands in one for each conversation, or
one for each window.

The capital is spread over how much and how often ranks are small, and over when it began: a share of
1 / (s (s + 1)) waits for each start s, so that months without a change do not use it up (the mixture form of the
detectors of Shin, Ramdas and Rinaldo 2023, arXiv:2203.03532).

All scores so far need memory without end, so ranks are exact among the first MOST of them, and later scores are held to
these: of each cut the bar is put so high that it is above the true quantile but for a chance of `spend` (the binomial
bound of an order statistic; Vovk 2012, "Conditional validity of inductive conformal predictors"). Given such bars a bet
on small ranks still cannot be expected to win, so that the two chances add up: 1 / capital and `spend`.

Shape legend: J strategies, N scores, C cuts and none.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.special import bdtr, bdtrik

SHARES = (0.05, 0.15, 0.4, 0.8)
"""Of the capital that is put on a small rank."""
CUTS = (0.02, 0.1, 0.3)
"""What a small rank is: at most this."""
STRIDE = 25
"""Observations from one start to the next."""
MOST = 10_000
"""Scores that ranks are exact among."""
SPENT = 0.02
"""Share of a level that goes to the bars."""
SHARE_J = np.array([share for share in SHARES for _ in CUTS])
CUT_J = np.array([cut for _ in SHARES for cut in CUTS])
GAIN_J = np.log(1 - SHARE_J + SHARE_J / CUT_J)
LOSS_J = np.log(1 - SHARE_J)
LOG_FACTOR_CJ = np.array([np.where(np.array(p) <= CUT_J, GAIN_J, LOSS_J) for p in (*CUTS, 1.0)])
"""What a bet brings, by the smallest cut that the p-value is below, or none."""
FACTOR_CJ = np.exp(LOG_FACTOR_CJ)


class RankedScores:
    """The first MOST scores, in order; behind them, bars. `spend` is the chance that the bars are too low."""

    def __init__(self, scores: Iterable[float] = (), spend: float = 1e-3, seed: int = 0) -> None:
        self.scores = sorted(scores)
        self.bars: list[tuple[float, float]] | None = None
        """Of each cut, the smallest the first: a score above it, or as high with a larger tie, is small in rank."""
        self.spend, self.seed = spend, seed
        self._settle()

    def rank(self, score: float, tie: float) -> float:
        """The p-value of a score that has come, which is kept: the share of all scores, itself among them, that are
        above it; of those that equal it a share of `tie`, uniform in (0, 1). Behind the first MOST, the smallest cut
        that the p-value is known to be below, or 1."""
        if self.bars is not None:
            return next((cut for cut, bar in zip(CUTS, self.bars, strict=True) if (score, 1 - tie) > bar), 1.0)
        above = len(self.scores) - bisect_right(self.scores, score)
        equal = len(self.scores) - above - bisect_left(self.scores, score)
        insort(self.scores, score)
        p = (above + tie * (equal + 1)) / len(self.scores)
        self._settle()
        return p

    def state(self) -> dict[str, Any]:
        return {"scores": np.array(self.scores, float), "bars": self.bars, "spend": self.spend, "seed": self.seed}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> RankedScores:
        found = cls((), state["spend"], state["seed"])
        found.scores = state["scores"].tolist()
        found.bars = None if state["bars"] is None else [(score, tie) for score, tie in state["bars"]]
        return found

    def _settle(self) -> None:
        """Puts the bars where there are enough scores. Of more than MOST, which were known at once, all count."""
        size = len(self.scores)
        if size < MOST:
            return
        tie_N = np.random.default_rng(self.seed).random(size)
        order_N = np.lexsort(np.stack([tie_N, np.array(self.scores)]))
        self.bars = []
        for cut in CUTS:
            above = binomial_quantile(self.spend / len(CUTS), size, cut)
            place = int(order_N[-above]) if above > 0 else -1
            self.bars.append((self.scores[place], float(tie_N[place])) if above > 0 else (math.inf, 1.0))
        self.scores = []


class Wager:
    """A capital that begins at 1, bets on small p-values, and cannot be expected to grow where they are uniform."""

    def __init__(self) -> None:
        self.bets = 0
        self.starts = 0
        self.log_capital = 0.0
        """With what still waits for later starts."""
        self.most = 0.0
        """The largest so far."""
        self._capital_J = np.zeros(len(SHARE_J))
        """Where it falls below what a float can hold, it is nothing beside that of later starts."""
        self._gained_J = np.zeros(len(SHARE_J))
        """Since the best start of each strategy, as a logarithm."""
        self._began_J = np.zeros(len(SHARE_J), np.int64)

    def state(self) -> dict[str, Any]:
        """All that the next bet depends on."""
        numbers = {"bets": self.bets, "starts": self.starts, "log_capital": self.log_capital, "most": self.most}
        held = {"capital_J": self._capital_J, "gained_J": self._gained_J, "began_J": self._began_J}
        return numbers | {name: values.copy() for name, values in held.items()}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Wager:
        found = cls()
        found.bets, found.starts = state["bets"], state["starts"]
        found.log_capital, found.most = state["log_capital"], state["most"]
        found._capital_J, found._gained_J = state["capital_J"].copy(), state["gained_J"].copy()
        found._began_J = state["began_J"].copy()
        return found

    @property
    def begins(self) -> set[int]:
        """The bets, counted from 0, at which strategies began their best."""
        return set(self._began_J.tolist())

    def bet(self, p: float) -> float:
        """The logarithm of the capital after this p-value."""
        self.bet_all([p])
        return self.log_capital

    def bet_all(self, p_values: Sequence[float], enough: float = math.inf) -> int:
        """One bet after the other, until the logarithm of the capital reaches `enough`. Gives how many there were. Many
        at once are faster, and the same to the last bit."""
        row_N = np.searchsorted(CUTS, p_values)
        done = 0
        while done < len(row_N):
            if self.bets % STRIDE == 0:
                self.starts += 1
                self._capital_J += 1 / (self.starts * (self.starts + 1) * len(SHARE_J))
            row_B = row_N[done : done + STRIDE - self.bets % STRIDE]
            capital_BJ = FACTOR_CJ[row_B]
            capital_BJ[0] *= self._capital_J
            np.multiply.accumulate(capital_BJ, axis=0, out=capital_BJ)
            log_B = np.log(capital_BJ.sum(axis=1) + 1 / (self.starts + 1))
            over = np.flatnonzero(log_B >= enough)
            taken = int(over[0]) + 1 if len(over) else len(row_B)
            self._gain(row_B[:taken])
            self._capital_J = capital_BJ[taken - 1].copy()
            self.log_capital = float(log_B[taken - 1])
            self.most = max(self.most, float(log_B[:taken].max()))
            done += taken
            if len(over):
                break
        return done

    @property
    def since(self) -> int:
        """The bet, counted from 0, from which on the strategy that has gained most since a start of its own has gained:
        the likeliest place of a change. What it gained before counts for its capital, and not for the place."""
        return int(self._began_J[int(self._gained_J.argmax())])

    def _gain(self, row_B: np.ndarray) -> None:
        gained_J = self._gained_J
        for row in row_B.tolist():
            self._began_J[gained_J <= 0] = self.bets
            np.maximum(gained_J, 0, out=gained_J)
            gained_J += LOG_FACTOR_CJ[row]
            self.bets += 1


def binomial_quantile(q: float, n: int, p: float) -> int:
    """The smallest k with P(X <= k) >= q."""
    k = math.ceil(bdtrik(q, n, p))
    return k - 1 if k > 0 and bdtr(k - 1, n, p) >= q else k


def log_threshold(alpha: float) -> float:
    """What the logarithm of a capital must reach for an alarm of which at most this share of streams is false."""
    return -math.log(alpha)
