"""Do answers keep their form?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import expm1

from whet.monitoring.alarm import Alarm, Question, Seen, evidence_of, examples_of, not_watched, percent, since_of
from whet.monitoring.evidence import ALPHA
from whet.monitoring.expected import Expected
from whet.monitoring.memory.versions import Versions
from whet.monitoring.questions.question import SteadyQuestion, Told, look_with
from whet.monitoring.questions.versions import suggested
from whet.monitoring.trace import Trace
from whet.monitoring.watches.form import FAULTS, FormScores
from whet.monitoring.watches.steady import BASELINE, Observed, Steady


def look(traces: Iterable[Trace], expected: Expected, alpha: float = ALPHA) -> Seen:
    return look_with(FormQuestion(expected, alpha), traces)


class FormQuestion(SteadyQuestion):
    name: Question = "form"

    def __init__(self, expected: Expected, alpha: float = ALPHA) -> None:
        super().__init__()
        self.alpha = alpha
        self.scores = FormScores(expected)
        self.steady = Steady(FAULTS, self.scores.references, alpha)

    def take(self, told: Sequence[Told]) -> None:
        observed = []
        for arrived, new in told:
            if self._is_first(arrived.trace):
                scores = self.scores.of(arrived.trace)
                observed.append(Observed(scores, arrived.place, new))
                self.shown.add(arrived, scores)
        self.steady.see(observed)

    def seen(self, versions: Versions) -> Seen:
        watched, crossed = self.steady.watched, self.steady.crossed
        if not watched:
            why = (
                f"not looked at: more than {BASELINE} requests are needed, because the run has no test answers to go by"
            )
            return not_watched("form", why)

        facts = {"rates": {watch.name: self.steady.rate(watch.name, 0) for watch in watched}}
        seen = max(watch.seen for watch in watched)
        if not crossed:
            looked = ", ".join(watch.name for watch in watched)
            return Seen("form", f"As far as was told they do ({looked}).", True, seen, facts)

        first, since = crossed[0].name, crossed[0].since.number
        alarm = Alarm(
            "form",
            " ".join(self._sentence(watch.name, watch.since.number) for watch in crossed),
            since_of(crossed[0].since),
            evidence_of(crossed[0], self.alpha),
            {watch.name: self.steady.rate(watch.name, watch.since.number) for watch in crossed},
            examples_of(self.shown.worst(first, since), first),
            *suggested(versions, since, "collect"),
            id=self.alarm_id,
        )
        return Seen("form", alarm.sentence, True, seen, facts, alarm)

    def _sentence(self, name: str, since: int) -> str:
        rate, usual = self.steady.rate(name, since), self.scores.usual
        said = FAULTS[name][0].upper() + FAULTS[name][1:]
        if name == "length":
            assert usual is not None
            lengths = f"the usual one is {expm1(usual):,.0f} letters, and they differ by a factor of "
            return f"{said}: {lengths}{1 + expm1(rate['live']):.1f} now, of {1 + expm1(rate['reference']):.1f} before."
        return f"{said}: {percent(rate['live'])} of {rate['traces']:,} now, {percent(rate['reference'])} before."
