"""Are people content?"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from whet.errors import count
from whet.monitoring.alarm import Alarm, Question, Seen, evidence_of, examples_of, not_watched, percent, since_of
from whet.monitoring.evidence import ALPHA, LATEST
from whet.monitoring.expected import Expected
from whet.monitoring.memory.versions import Versions
from whet.monitoring.questions.question import SteadyQuestion, Told, look_with
from whet.monitoring.questions.versions import suggested
from whet.monitoring.trace import Trace
from whet.monitoring.watches.feedback import badness
from whet.monitoring.watches.steady import Observed, Steady
from whet.stats.paired import mean_interval

FIRST = 50
"""Traces with feedback that are the reference of later ones."""
BAD = "bad"


def look(traces: Iterable[Trace], expected: Expected, alpha: float = ALPHA) -> Seen:
    return look_with(FeedbackQuestion(expected, alpha), traces)


class FeedbackQuestion(SteadyQuestion):
    name: Question = "feedback"

    def __init__(self, expected: Expected, alpha: float = ALPHA) -> None:
        super().__init__()
        self.alpha, self.labels = alpha, expected.labels
        self.steady = Steady((BAD,), {}, alpha, FIRST)
        self.heard = 0
        """Traces that somebody spoke of."""
        self.latest: deque[tuple[str, str, float]] = deque(maxlen=LATEST)
        """Id, version and badness."""

    def take(self, told: Sequence[Told]) -> None:
        for arrived, new in told:
            trace = arrived.trace
            bad = badness(trace, self.labels)
            if bad is None or not self._is_first(trace):
                continue
            self.heard += 1
            self.latest.append((trace.id, trace.answered_by or "unknown", bad))
            self.steady.see([Observed({BAD: bad}, arrived.place, new)])
            self.shown.add(arrived, {BAD: bad})

    def counted(self, trace: Trace) -> bool:
        """Whether what was said of it says something here."""
        return badness(trace, self.labels) is not None

    def seen(self, versions: Versions) -> Seen:
        if not self.heard:
            return not_watched("feedback", "not looked at: nobody said anything of an answer")

        disagree = [name for name, _, bad in self.latest if 0 < bad < 1]
        facts = {"versions": self._by_version(), "disagree": disagree}
        said = self._said()
        watch = self.steady.watches[BAD]
        if not watch.watched:
            why = f"{said}; a change cannot be told yet, because the first {FIRST} are what later ones are held to."
            return Seen("feedback", why, False, self.heard, facts)
        if watch.crossing is None:
            return Seen("feedback", f"{said}; that has not changed.", True, self.heard, facts)

        since = watch.since.number
        rate = self.steady.rate(BAD, since)
        alarm = Alarm(
            "feedback",
            f"People are less content: {percent(rate['live'])} of {rate['traces']:,} answers that they spoke of are "
            f"bad now, {percent(rate['reference'])} of the first {rate['reference_rows']:,}.",
            since_of(watch.since),
            evidence_of(watch, self.alpha),
            rate,
            examples_of(self.shown.worst(BAD, since), BAD),
            *suggested(versions, since, "retrain"),
            id=self.alarm_id,
        )
        return Seen("feedback", alarm.sentence, True, self.heard, facts, alarm)

    def _said(self) -> str:
        values = [bad for _, _, bad in self.latest]
        low, high = mean_interval(values)
        of = count(len(values), "answer")
        latest = f"the latest {of}" if self.heard > len(values) else of
        said = f"{percent(sum(values) / len(values))} of {latest} that people spoke of were bad, disputed ones by half"
        return f"{said} ({percent(low)} to {percent(high)})"

    def _by_version(self) -> list[dict[str, Any]]:
        """The share of bad answers of each version, with its interval, in the order in which they came."""
        found: dict[str, list[float]] = {}
        for _, version, bad in self.latest:
            found.setdefault(version, []).append(bad)
        return [
            {"model": model, "traces": len(bad), "bad": sum(bad) / len(bad), "interval": [*mean_interval(bad)]}
            for model, bad in found.items()
        ]

    def state(self) -> dict[str, Any]:
        return super().state() | {"heard": self.heard, "latest": [list(one) for one in self.latest]}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.heard = state["heard"]
        self.latest = deque(((name, version, bad) for name, version, bad in state["latest"]), maxlen=LATEST)
