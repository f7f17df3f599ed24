"""Do live prompts still look like those that the model was trained on?

The known prompts are cut in two by a fixed draw. On the one part the features are fitted (prompt_features.py); the
other is the reference that live prompts are ranked among. Two scores are watched: how new a prompt is, which finds new
topics at once, and a classifier's. The classifier learns from the known prompts and every second live one, and the
other live ones are ranked by it, so that it is never asked about a prompt that it learned from, and ranks stay
uniform where nothing has changed. It is fitted again as live prompts come.

Prompts of one conversation are one observation: the first counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whet.monitoring.evidence import ALPHA, Evidence, ScoreWatch
from whet.monitoring.prompt_features import PromptFeatures
from whet.stats.two_samples import FOLDS, LinearClassifier, auc, cross_fitted
from whet.stats.watching import STRIDE, RankedScores

FEWEST_KNOWN, MOST_KNOWN = 50, 6000
FITTED = 0.5
"""Share of the known prompts that features are fitted on."""
LEARNED = 500
"""Latest live prompts that the classifier learns from."""
REFIT = 20
"""It is fitted again once the ranked prompts have grown by 1 / REFIT, and by STRIDE."""
FEWEST_LIVE = 20
WINDOW = 300
"""Latest prompts that the area under the curve is of, where no alarm says since when."""
NOVELTY, CLASSIFIER = "novelty", "classifier"


@dataclass(frozen=True, slots=True)
class Look:
    """What the live prompts look like now, beside the reference."""

    first: int
    """Place of the first live prompt that is looked at."""
    area: float
    interval: tuple[float, float]
    score_N: np.ndarray
    """How unlike the reference each of these prompts is, by classifiers that have not seen it."""
    before_N: np.ndarray
    """The same of the live prompts before `first`, by one that has seen all from there on."""
    ordinary: float
    """95% of the reference lie below."""

    @property
    def new(self) -> list[int]:
        """Places of the prompts that are unlike more than 95% of the reference."""
        return np.flatnonzero(np.concatenate([self.before_N, self.score_N]) > self.ordinary).tolist()


@dataclass(frozen=True, slots=True)
class Drifted:
    """Places of live prompts: the one that made the evidence of `watch` enough, and the one since which it speaks."""

    watch: ScoreWatch
    enough: int
    since: int


class DriftWatch:
    """Raises ValueError for fewer than FEWEST_KNOWN known prompts: whoever asks says so in words of their own."""

    def __init__(self, known: Sequence[str], alpha: float = ALPHA, seed: int = 0) -> None:
        if len(known) < FEWEST_KNOWN:
            raise ValueError(f"{len(known)} known prompts; {FEWEST_KNOWN} are needed")
        order = np.random.default_rng(seed).permutation(len(known))[:MOST_KNOWN]
        cut = int(len(order) * FITTED)
        drawn: list[str] = [known[int(place)] for place in order]
        self.features = PromptFeatures(drawn[:cut])
        novelty_K, self.reference_KD = self.features.of(drawn[cut:])
        self.evidence = Evidence({NOVELTY: novelty_K, CLASSIFIER: np.zeros(len(novelty_K))}, alpha)
        self.seen: list[np.ndarray] = []
        """D features of each live prompt."""
        self._ranked: list[int] = []
        self._watched: list[int] = []
        """Those of `_ranked` that a classifier was asked about."""
        self._learned: list[int] = []
        self._classifier: LinearClassifier | None = None
        self._next_fit = 0

    def see(self, asked: Sequence[str]) -> None:
        """Prompts in the order in which they came."""
        novelty_N, features_ND = self.features.of(asked)
        for novelty, own_D in zip(novelty_N.tolist(), features_ND, strict=True):
            place = len(self.seen)
            self.seen.append(own_D)
            self.evidence.see({NOVELTY: novelty})
            if place % 2:
                self._learned.append(place)
            else:
                self._rank(place)

    @property
    def crossing(self) -> Drifted | None:
        """The first alarm."""
        found = []
        for watch in self.evidence.crossed:
            crossing = watch.crossing
            assert crossing is not None
            places = self._watched if watch.name == CLASSIFIER else range(len(self.seen))
            found.append(Drifted(watch, places[crossing.seen - 1], places[crossing.since]))
        return min(found, key=lambda one: one.enough, default=None)

    def look(self, first: int | None = None) -> Look | None:
        """At the live prompts from `first` on, else at the last WINDOW; None where they are too few."""
        first = max(0, len(self.seen) - WINDOW) if first is None else min(first, max(0, len(self.seen) - FEWEST_LIVE))
        live_ND = np.array(self.seen[first:])
        if len(live_ND) < max(FEWEST_LIVE, FOLDS):
            return None
        reference_K, live_N = cross_fitted(self.reference_KD, live_ND)
        area, low, high = auc(reference_K, live_N)
        before_N = LinearClassifier(self.reference_KD, live_ND).score(np.array(self.seen)[:first])
        return Look(first, area, (low, high), live_N, before_N, float(np.quantile(reference_K, 0.95)))

    def _rank(self, place: int) -> None:
        """A classifier says something only once it has learned from some live prompts."""
        if len(self._learned) >= FEWEST_LIVE and len(self._ranked) >= self._next_fit:
            self._fit()
        self._ranked.append(place)
        if self._classifier is not None:
            self._watched.append(place)
            self.evidence.see({CLASSIFIER: float(self._classifier.score(self.seen[place][None])[0])})

    def _fit(self) -> None:
        """On other prompts than those that are ranked, so that the ranks so far stay as good as any."""
        live_ND = np.array([self.seen[place] for place in self._learned[-LEARNED:]])
        half = len(self.reference_KD) // 2
        self._classifier = LinearClassifier(self.reference_KD[:half], live_ND)
        ranked_ND = np.array([self.seen[place] for place in self._ranked])
        known = self._classifier.score(self.reference_KD[half:])
        live = self._classifier.score(ranked_ND) if self._ranked else np.zeros(0)
        self.evidence.watches[CLASSIFIER].ranked = RankedScores([*known.tolist(), *live.tolist()])
        self._next_fit = len(self._ranked) + max(STRIDE // 2, len(self._ranked) // REFIT)
