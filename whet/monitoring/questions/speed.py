"""Are answers as fast and as long as they were?"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from whet.monitoring.alarm import Alarm, Question, Seen, evidence_of, examples_of, not_watched, since_of
from whet.monitoring.evidence import ALPHA
from whet.monitoring.expected import Expected
from whet.monitoring.memory.arrival import Place
from whet.monitoring.memory.versions import Versions
from whet.monitoring.questions.question import SteadyQuestion, Told, look_with
from whet.monitoring.questions.versions import suggested
from whet.monitoring.trace import Trace
from whet.monitoring.watches.speed import FIRST_WINDOWS, MEASURES, WINDOW, by_measure, measures_of, medians_of
from whet.monitoring.watches.steady import Observed, Steady

ENOUGH = (FIRST_WINDOWS + 1) * WINDOW
LATEST = 2000
"""Requests whose measures are kept."""
QUANTILES = (0.5, 0.9, 0.99)


def look(traces: Iterable[Trace], expected: Expected, alpha: float = ALPHA) -> Seen:
    return look_with(SpeedQuestion(expected, alpha), traces)


class SpeedQuestion(SteadyQuestion):
    name: Question = "speed"

    def __init__(self, expected: Expected, alpha: float = ALPHA) -> None:
        super().__init__()
        self.alpha = alpha
        self.steady = Steady(MEASURES, {}, alpha, FIRST_WINDOWS)
        self.looked = 0
        self.first: list[dict[str, float]] = []
        """Measures of the requests that later ones are held to."""
        self.latest: deque[tuple[int, dict[str, float]]] = deque(maxlen=LATEST)
        self.window: list[tuple[Place, dict[str, float]]] = []
        """The one that is not whole yet."""

    def take(self, told: Sequence[Told]) -> None:
        for arrived, _ in told:
            measures = measures_of(arrived.trace)
            self.looked += 1
            if len(self.first) < FIRST_WINDOWS * WINDOW:
                self.first.append(measures)
            self.latest.append((arrived.place.number, measures))
            self.shown.add(arrived, measures)
            self.window.append((arrived.place, measures))
            if len(self.window) == WINDOW:
                medians = medians_of([held for _, held in self.window])
                self.steady.see([Observed(medians, self.window[0][0], new=True)])  # times do not depend on what is new
                self.window = []

    def seen(self, versions: Versions) -> Seen:
        crossed = self.steady.crossed
        if not self.steady.watched:
            why = f"not looked at: {ENOUGH} traces with their times are needed, because the first"
            return not_watched("speed", f"{why} {FIRST_WINDOWS * WINDOW} are what later ones are held to")

        facts = {"before": quantiles(self.first), "after": quantiles(self._since(FIRST_WINDOWS * WINDOW))}
        if not crossed:
            return Seen("speed", "They are no slower and no longer.", True, self.looked, facts)

        name, since = crossed[0].name, crossed[0].since.number
        evidence = evidence_of(crossed[0], self.alpha)
        evidence["enough_at_trace"] += WINDOW - 1  # a window speaks once it is whole
        alarm = Alarm(
            "speed",
            " ".join(self._sentence(watch.name, watch.since.number) for watch in crossed),
            since_of(crossed[0].since),
            evidence,
            {"before": facts["before"], "after": quantiles(self._since(since))},
            examples_of(self.shown.worst(name, since), name),
            *suggested(versions, since, "nothing"),
            id=self.alarm_id,
        )
        return Seen("speed", alarm.sentence, True, self.looked, facts, alarm)

    def accept(self) -> None:
        """The times of now are what later ones are held to."""
        super().accept()
        self.first = [measures for _, measures in self.latest][-FIRST_WINDOWS * WINDOW :]

    def _since(self, number: int) -> list[dict[str, float]]:
        return [measures for told, measures in self.latest if told >= number]

    def _sentence(self, name: str, since: int) -> str:
        rate, text = self.steady.rate(name, since), MEASURES[name]
        unit = "tokens" if name == "tokens" else "s"
        return f"{text[0].upper()}{text[1:]}: {rate['live']:.3g} {unit}, {rate['reference']:.3g} {unit} before."

    def state(self) -> dict[str, Any]:
        window = [[place.state(), measures] for place, measures in self.window]
        latest = [list(one) for one in self.latest]
        return super().state() | {"looked": self.looked, "first": self.first, "latest": latest, "window": window}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.looked, self.first = state["looked"], state["first"]
        self.latest = deque(((number, measures) for number, measures in state["latest"]), maxlen=LATEST)
        self.window = [(Place(*place), measures) for place, measures in state["window"]]


def quantiles(measures: Iterable[dict[str, float]]) -> dict[str, Any]:
    """p50, p90 and p99 of each measure."""
    return {
        name: {f"p{round(100 * share)}": float(np.quantile(values, share)) for share in QUANTILES}
        for name, values in by_measure(measures).items()
    }
