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

Shape legend: J strategies.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

import numpy as np

SHARES = (0.05, 0.15, 0.4, 0.8)
"""Of the capital that is put on a small rank."""
CUTS = (0.02, 0.1, 0.3)
"""What a small rank is: at most this."""
STRIDE = 25
"""Observations from one start to the next."""
SHARE_J = np.array([share for share in SHARES for _ in CUTS])
CUT_J = np.array([cut for _ in SHARES for cut in CUTS])
GAIN_J = np.log(1 - SHARE_J + SHARE_J / CUT_J)
LOSS_J = np.log(1 - SHARE_J)


class RankedScores:
    """All scores so far, in order."""

    def __init__(self, scores: Iterable[float] = ()) -> None:
        self.scores = sorted(scores)

    def __len__(self) -> int:
        return len(self.scores)

    def rank(self, score: float, tie: float) -> float:
        """The p-value of a score that has come, which is kept: the share of all scores, itself among them, that are
        above it; of those that equal it a share of `tie`, uniform in (0, 1)."""
        above = len(self.scores) - bisect_right(self.scores, score)
        equal = len(self.scores) - above - bisect_left(self.scores, score)
        insort(self.scores, score)
        return (above + tie * (equal + 1)) / len(self.scores)


class Wager:
    """A capital that begins at 1, bets on small p-values, and cannot be expected to grow where they are uniform."""

    def __init__(self) -> None:
        self.bets = 0
        self.starts = 0
        self.log_capital = 0.0
        """With what still waits for later starts."""
        self.most = 0.0
        """The largest so far."""
        self._log_J = np.full(len(SHARE_J), -math.inf)
        self._gained_J = np.zeros(len(SHARE_J))
        """Since the best start of each strategy."""
        self._began_J = np.zeros(len(SHARE_J), np.int64)

    def bet(self, p: float) -> float:
        """The logarithm of the capital after this p-value."""
        if self.bets % STRIDE == 0:
            self._start()
        factor_J = np.where(p <= CUT_J, GAIN_J, LOSS_J)
        self._log_J += factor_J
        anew_J = self._gained_J <= 0
        self._began_J[anew_J] = self.bets
        self._gained_J = np.where(anew_J, 0, self._gained_J) + factor_J
        self.bets += 1
        largest = float(self._log_J.max())
        at_work = largest + math.log(np.exp(self._log_J - largest).sum())
        self.log_capital = float(np.logaddexp(at_work, -math.log(self.starts + 1)))
        self.most = max(self.most, self.log_capital)
        return self.log_capital

    @property
    def since(self) -> int:
        """The bet, counted from 0, from which on the strategy that holds most has gained."""
        return int(self._began_J[int(self._log_J.argmax())])

    def _start(self) -> None:
        self.starts += 1
        share = 1 / (self.starts * (self.starts + 1) * len(SHARE_J))
        self._log_J = np.logaddexp(self._log_J, math.log(share))


def log_threshold(alpha: float) -> float:
    """What the logarithm of a capital must reach for an alarm of which at most this share of streams is false."""
    return -math.log(alpha)
