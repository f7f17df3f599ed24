"""Do answers keep their form?"""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1

from whet.monitoring.alarm import Alarm, Seen, evidence_of, examples_of, not_watched, percent, since_of
from whet.monitoring.expected import Expected
from whet.monitoring.questions.versions import suggested
from whet.monitoring.trace import Trace, once_each
from whet.monitoring.watches.form import FAULTS, FormScores
from whet.monitoring.watches.steady import BASELINE, Watched, watch


def look(traces: Sequence[Trace], expected: Expected, alpha: float) -> Seen:
    scores = FormScores(expected)
    told = list(once_each({place: scores.of(trace) for place, trace in enumerate(traces)}, traces).items())
    watched = watch(told, scores.references, alpha, len(FAULTS))
    if not watched.values:
        why = f"not looked at: more than {BASELINE} requests are needed, because the run has no test answers to go by"
        return not_watched("form", why)

    rates = {name: watched.rate(name, 0) for name in watched.values}
    seen = max(len(values) for values in watched.values.values())
    crossed = watched.evidence.crossed
    if not crossed:
        looked = ", ".join(watched.values)
        return Seen("form", f"As far as was told they do ({looked}).", True, seen, {"rates": rates})

    strongest = crossed[0]
    _, enough, since = watched.crossing_of(strongest)
    values = dict(zip(watched.places[strongest.name], watched.values[strongest.name], strict=True))
    worst = sorted((place for place in values if place >= since), key=lambda place: (-values[place], place))
    alarm = Alarm(
        "form",
        " ".join(_sentence(watched, one.name, watched.crossing_of(one)[2], scores.usual) for one in crossed),
        since_of(traces, since),
        evidence_of(strongest, enough, alpha),
        {one.name: watched.rate(one.name, watched.crossing_of(one)[2]) for one in crossed},
        examples_of(traces, worst, values),
        *suggested(traces, since, "collect"),
    )
    return Seen("form", alarm.sentence, True, seen, {"rates": rates}, alarm)


def _sentence(watched: Watched, name: str, since: int, usual: float | None) -> str:
    rate = watched.rate(name, since)
    said = FAULTS[name][0].upper() + FAULTS[name][1:]
    if name == "length":
        assert usual is not None
        lengths = f"the usual one is {expm1(usual):,.0f} letters, and they differ by a factor of "
        return f"{said}: {lengths}{1 + expm1(rate['live']):.1f} now, of {1 + expm1(rate['reference']):.1f} before."
    return f"{said}: {percent(rate['live'])} of {rate['traces']:,} now, {percent(rate['reference'])} before."
