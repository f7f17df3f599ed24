"""Does the model score as on its test rows?"""

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
from whet.monitoring.watches.scores import BY_LABELS, scored
from whet.monitoring.watches.steady import Observed, Steady
from whet.stats.paired import mean_interval

FEWEST_TESTED = 20
LOSS = "loss"


def look(traces: Iterable[Trace], expected: Expected, alpha: float = ALPHA) -> Seen:
    return look_with(ScoresQuestion(expected, alpha), traces)


class ScoresQuestion(SteadyQuestion):
    name: Question = "scores"

    def __init__(self, expected: Expected, alpha: float = ALPHA) -> None:
        super().__init__()
        self.alpha, self.metric, self.labels = alpha, expected.metric, expected.labels
        self.tested = list(expected.scores) if len(expected.scores) >= FEWEST_TESTED else []
        self.steady = Steady((LOSS,), {LOSS: [-score for score in self.tested]}, alpha)
        self.told = 0
        """Requests with a right label."""
        self.latest: deque[float] = deque(maxlen=LATEST)

    @property
    def by_labels(self) -> bool:
        return self.metric == BY_LABELS and bool(self.labels)

    def take(self, told: Sequence[Told]) -> None:
        for arrived, new in told:
            value = scored(arrived.trace, self.labels) if self.by_labels else None
            if value is None or not self._is_first(arrived.trace):
                continue
            self.told += 1
            self.latest.append(value)
            self.shown.add(arrived, {LOSS: -value})
            if self.tested:
                self.steady.see([Observed({LOSS: -value}, arrived.place, new)])

    def counted(self, trace: Trace) -> bool:
        """Whether what was said of it says something here."""
        return self.by_labels and scored(trace, self.labels) is not None

    def seen(self, versions: Versions) -> Seen:
        if not self.by_labels:
            why = "not looked at: only answers that are labels are scored by labels that come later"
            return not_watched("scores", why)
        if not self.told:
            return not_watched("scores", "not looked at: no request has one of its labels as the right answer")

        low, high = mean_interval(list(self.latest))
        mean = sum(self.latest) / len(self.latest)
        facts = {"metric": self.metric, "live": mean, "live_interval": [low, high]}
        of = count(len(self.latest), "request")
        latest = f"the latest {of}" if self.told > len(self.latest) else of
        said = f"{percent(mean)} on {latest} with a right label ({percent(low)} to {percent(high)})"
        if not self.tested:
            return Seen("scores", f"{said}; there are no test scores to hold it to.", False, self.told, facts)

        tested = sum(self.tested) / len(self.tested)
        facts["tested"] = tested
        watch = self.steady.watches[LOSS]
        if watch.crossing is None:
            same = "that is what its test rows gave" if low <= tested <= high else "too little to tell a change by"
            return Seen("scores", f"{said}; {same} ({percent(tested)}).", True, self.told, facts)

        later = [-loss for loss in watch.live(watch.since.number)]
        now, before = sum(later) / len(later), -sum(watch.reference) / len(watch.reference)
        held_to, then = ("on its test rows", "there") if self.episode == 0 else ("before", "then")
        examples = examples_of(self.shown.worst(LOSS, watch.since.number), LOSS)
        alarm = Alarm(
            "scores",
            f"It scores worse than {held_to}: {percent(now)} of {len(later):,} traces with a right label, "
            f"{percent(before)} {then}.",
            since_of(watch.since),
            evidence_of(watch, self.alpha),
            {**facts, "live": now, "live_interval": list(mean_interval(later)), "traces": len(later)},
            [example | {"score": -example["score"]} for example in examples],
            *suggested(versions, watch.since.number, "retrain"),
            id=self.alarm_id,
        )
        return Seen("scores", alarm.sentence, True, self.told, facts, alarm)

    def state(self) -> dict[str, Any]:
        return super().state() | {"told": self.told, "latest": list(self.latest)}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.told = state["told"]
        self.latest = deque(state["latest"], maxlen=LATEST)
