"""Do live prompts still look like those that the model was trained on?

The known prompts are cut in two by a fixed draw. On the one part the features are fitted (prompt_features.py); the
other is the reference that live prompts are ranked among. Two scores are watched: how new a prompt is, which finds new
topics at once, and a classifier's. The classifier learns from the known prompts and every second live one, and the
other live ones are ranked by it, so that it is never asked about a prompt that it learned from, and ranks stay
uniform where nothing has changed. It is fitted again as live prompts come.

The ranked prompts are kept by their features, up to MOST; once there are so many, each classifier puts its bars by them
(whet/stats/watching.py), and the chance that bars are too low is shared among all classifiers that may ever come.

Prompts of one conversation are one observation: the first counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from whet.monitoring.evidence import ALPHA, ScoreWatch
from whet.monitoring.memory.arrival import Place
from whet.monitoring.prompt_features import PromptFeatures
from whet.stats.two_samples import FOLDS, LinearClassifier, auc, cross_fitted
from whet.stats.watching import MOST, SPENT, STRIDE, RankedScores

FEWEST_KNOWN, MOST_KNOWN = 50, 6000
FITTED = 0.5
"""Share of the known prompts that features are fitted on."""
LEARNED = 500
"""Latest live prompts that the classifier learns from."""
REFIT = 20
"""It is fitted again once the ranked prompts have grown by 1 / REFIT, and by STRIDE; or by half of LEARNED."""
FEWEST_LIVE = 20
WINDOW = 300
"""Latest prompts that the area under the curve is of, where no alarm says since when."""
LATEST = 1000
"""Prompts that are kept with their words."""
NOVELTY, CLASSIFIER = "novelty", "classifier"
NEVER = 1 << 60
"""Observations after which a change back is looked for: topics come and go, and a person says when one is known."""


class LivePrompt(NamedTuple):
    place: Place
    own_D: np.ndarray
    """Its features."""
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """What the live prompts look like now, beside the reference."""

    live: list[LivePrompt]
    """Those that are looked at."""
    area: float
    interval: tuple[float, float]
    score_N: np.ndarray
    """How unlike the reference each of these prompts is, by classifiers that have not seen it."""
    ordinary: float
    """95% of the reference lie below."""

    @property
    def new(self) -> list[int]:
        """Places, within `live`, of the prompts that are unlike more than 95% of the reference."""
        return np.flatnonzero(self.score_N > self.ordinary).tolist()


class DriftWatch:
    """`accepted` are prompts that came after an alarm that somebody has acknowledged: live ones are held to these, and
    the known ones lend their words. Raises ValueError for fewer than FEWEST_KNOWN prompts to hold to: whoever asks says
    so in words of their own."""

    def __init__(
        self, known: Sequence[str], alpha: float = ALPHA, seed: int = 0, accepted: Sequence[str] | None = None
    ) -> None:
        held_to = len(known if accepted is None else accepted)
        if held_to < FEWEST_KNOWN:
            raise ValueError(f"{held_to} known prompts; {FEWEST_KNOWN} are needed")
        order = np.random.default_rng(seed).permutation(len(known))[:MOST_KNOWN]
        cut = int(len(order) * FITTED)
        drawn: list[str] = [known[int(place)] for place in order]
        fitted, reference = drawn[:cut], drawn[cut:]
        if accepted is not None:
            fitted, reference = [*drawn, *accepted[::2]], list(accepted[1::2])
        self.features = PromptFeatures(fitted)
        novelty_K, self.reference_KD = self.features.of(reference)
        self.ordinary = float(np.quantile(novelty_K, 0.95))
        self.share = alpha / 2
        none = np.zeros(len(novelty_K))
        self.watches = {
            name: ScoreWatch(name, values.tolist(), self.share, number, NEVER)
            for number, (name, values) in enumerate([(NOVELTY, novelty_K), (CLASSIFIER, none)])
        }
        self.seen = 0
        self.latest: deque[LivePrompt] = deque(maxlen=LATEST)
        self._ranked: list[np.ndarray] = []
        """Features of the live prompts that were ranked, as long as there is room."""
        self._learned: deque[np.ndarray] = deque(maxlen=LEARNED)
        self._rankings = 0
        self._classifier: LinearClassifier | None = None
        self._usual = 0.0
        """95% of the known prompts have a lower score of the classifier."""
        self._fits = 0
        self._next_fit = 0

    def see(self, asked: Sequence[str], places: Sequence[Place] | None = None) -> list[bool]:
        """Prompts in the order in which they came, counted where no places are given. Gives of each whether it looks
        new."""
        places = [Place(self.seen + n, "", "") for n in range(len(asked))] if places is None else places
        novelty_N, features_ND = self.features.of(asked)
        found = []
        for text, place, novelty, own_D in zip(asked, places, novelty_N.tolist(), features_ND, strict=True):
            self.latest.append(LivePrompt(place, own_D, text))
            score = None if self._classifier is None else float(self._classifier.score(own_D[None])[0])
            found.append(novelty > self.ordinary or (score is not None and score > self._usual))
            self.watches[NOVELTY].see(novelty, place)
            if self.seen % 2:
                self._learned.append(own_D)
            else:
                self._rank(own_D, place)
            self.seen += 1
        return found

    @property
    def crossed(self) -> ScoreWatch | None:
        """The first alarm."""
        found = [
            (watch.crossing.enough.number, n, watch) for n, watch in enumerate(self.watches.values()) if watch.crossing
        ]
        return min(found)[2] if found else None

    def look(self, since: int | None = None) -> Look | None:
        """At the live prompts from this number on, else at the last WINDOW; None where they are too few."""
        live = list(self.latest)
        first = next((n for n, one in enumerate(live) if since is not None and one.place.number >= since), len(live))
        first = max(0, len(live) - WINDOW) if since is None else min(first, max(0, len(live) - FEWEST_LIVE))
        live = live[first:]
        if len(live) < max(FEWEST_LIVE, FOLDS):
            return None
        reference_K, live_N = cross_fitted(self.reference_KD, np.array([one.own_D for one in live]))
        area, low, high = auc(reference_K, live_N)
        return Look(live, area, (low, high), live_N, float(np.quantile(reference_K, 0.95)))

    def _rank(self, own_D: np.ndarray, place: Place) -> None:
        """A classifier says something only once it has learned from some live prompts."""
        if len(self._learned) >= FEWEST_LIVE and self._rankings >= self._next_fit:
            self._fit()
        self._rankings += 1
        if len(self.reference_KD) // 2 + len(self._ranked) < MOST:
            self._ranked.append(own_D)
        if self._classifier is not None:
            self.watches[CLASSIFIER].see(float(self._classifier.score(own_D[None])[0]), place)

    def _fit(self) -> None:
        """On other prompts than those that are ranked, so that the ranks so far stay as good as any."""
        half = len(self.reference_KD) // 2
        self._classifier = LinearClassifier(self.reference_KD[:half], np.array(self._learned))
        self._fits += 1
        known = self._classifier.score(self.reference_KD[half:])
        live = self._classifier.score(np.array(self._ranked)) if self._ranked else np.zeros(0)
        self._usual = float(np.quantile(known, 0.95))
        spend = self.share * SPENT / (self._fits * (self._fits + 1))
        self.watches[CLASSIFIER].rank_among(RankedScores([*known.tolist(), *live.tolist()], spend, self._fits))
        grown = min(LEARNED // 2, max(STRIDE // 2, self._rankings // REFIT))
        self._next_fit = self._rankings + grown

    def state(self) -> dict[str, Any]:
        latest = list(self.latest)
        return {
            "watches": [watch.state() for watch in self.watches.values()],
            "seen": self.seen,
            "latest": {
                "places": [one.place.state() for one in latest],
                "features": np.array([one.own_D for one in latest]),
                "texts": [one.text for one in latest],
            },
            "ranked": np.array(self._ranked),
            "learned": np.array(self._learned),
            "rankings": self._rankings,
            "classifier": self._classifier and self._classifier.state(),
            "usual": self._usual,
            "fits": self._fits,
            "next_fit": self._next_fit,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Of a watch of the same known prompts."""
        self.watches = {watch["name"]: ScoreWatch.restored(watch) for watch in state["watches"]}
        self.seen, latest = state["seen"], state["latest"]
        places = [Place(*place) for place in latest["places"]]
        self.latest = deque(map(LivePrompt, places, latest["features"], latest["texts"]), maxlen=LATEST)
        self._ranked, self._learned = list(state["ranked"]), deque(state["learned"], maxlen=LEARNED)
        self._rankings, self._usual = state["rankings"], state["usual"]
        self._classifier = state["classifier"] and LinearClassifier.restored(state["classifier"])
        self._fits, self._next_fit = state["fits"], state["next_fit"]
