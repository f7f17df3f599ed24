"""Are people content?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whet.errors import count
from whet.monitoring.alarm import Alarm, Seen, evidence_of, examples_of, not_watched, percent, since_of
from whet.monitoring.expected import Expected
from whet.monitoring.questions.versions import suggested
from whet.monitoring.trace import Trace, once_each
from whet.monitoring.watches.feedback import badness
from whet.monitoring.watches.steady import watch
from whet.stats.paired import mean_interval

FIRST = 50
"""Traces with feedback that are the reference of later ones."""
BAD = "bad"


def look(traces: Sequence[Trace], expected: Expected, alpha: float) -> Seen:
    told = [(place, badness(trace, expected.labels)) for place, trace in enumerate(traces)]
    bad = once_each({place: value for place, value in told if value is not None}, traces)
    if not bad:
        return not_watched("feedback", "not looked at: nobody said anything of an answer")

    facts = {"versions": by_version(traces, bad), "disagree": [traces[p].id for p, v in bad.items() if 0 < v < 1]}
    watched = watch([(place, {BAD: value}) for place, value in bad.items()], {}, alpha, 1, FIRST)
    share = sum(bad.values()) / len(bad)
    low, high = mean_interval(list(bad.values()))
    said = f"{percent(share)} of {count(len(bad), 'answer')} that people spoke of were bad, disputed ones by half"
    said += f" ({percent(low)} to {percent(high)})"
    if len(bad) <= FIRST:
        why = f"{said}; a change cannot be told yet, because the first {FIRST} are what later ones are held to."
        return Seen("feedback", why, False, len(bad), facts)

    crossed = watched.evidence.crossed
    if not crossed:
        return Seen("feedback", f"{said}; that has not changed.", True, len(bad), facts)

    _, enough, since = watched.crossing_of(crossed[0])
    rate = watched.rate(BAD, since)
    worst = sorted((place for place in bad if place >= since), key=lambda place: (-bad[place], place))
    alarm = Alarm(
        "feedback",
        f"People are less content: {percent(rate['live'])} of {rate['traces']:,} answers that they spoke of are "
        f"bad now, {percent(rate['reference'])} of the first {FIRST}.",
        since_of(traces, since),
        evidence_of(crossed[0], enough, alpha),
        rate,
        examples_of(traces, worst, bad),
        *suggested(traces, since, "retrain"),
    )
    return Seen("feedback", alarm.sentence, True, len(bad), facts, alarm)


def by_version(traces: Sequence[Trace], bad: dict[int, float]) -> list[dict[str, Any]]:
    """The share of bad answers of each version, with its interval, in the order in which they came."""
    found: dict[str, list[float]] = {}
    for place, value in bad.items():
        found.setdefault(traces[place].answered_by or "unknown", []).append(value)
    return [
        {"model": model, "traces": len(values), "bad": sum(values) / len(values), "interval": [*mean_interval(values)]}
        for model, values in found.items()
    ]
