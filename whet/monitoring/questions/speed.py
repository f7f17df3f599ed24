"""Are answers as fast and as long as they were?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from whet.monitoring.alarm import Alarm, Seen, evidence_of, examples_of, not_watched, since_of
from whet.monitoring.expected import Expected
from whet.monitoring.questions.versions import suggested
from whet.monitoring.trace import Trace
from whet.monitoring.watches.speed import FIRST_WINDOWS, MEASURES, WINDOW, by_measure, measures_of, windows
from whet.monitoring.watches.steady import watch

ENOUGH = (FIRST_WINDOWS + 1) * WINDOW
QUANTILES = (0.5, 0.9, 0.99)


def look(traces: Sequence[Trace], expected: Expected, alpha: float) -> Seen:
    medians, places = windows(traces)
    watched = watch(list(zip(places, medians, strict=True)), {}, alpha, len(MEASURES), FIRST_WINDOWS)
    if not watched.values:
        why = f"not looked at: {ENOUGH} traces with their times are needed, because the first {FIRST_WINDOWS * WINDOW}"
        return not_watched("speed", f"{why} are what later ones are held to")

    begin = min(min(found) for found in watched.places.values())
    crossed = watched.evidence.crossed
    facts = {"before": quantiles(traces[:begin]), "after": quantiles(traces[begin:])}
    if not crossed:
        return Seen("speed", "They are no slower and no longer.", True, len(traces), facts)

    _, enough, since = watched.crossing_of(crossed[0])
    name = crossed[0].name
    told = {place: measures_of(traces[place]).get(name, 0.0) for place in range(since, len(traces))}
    slowest = sorted(told, key=lambda place: (-told[place], place))
    said = []
    for one in crossed:
        rate = watched.rate(one.name, watched.crossing_of(one)[2])
        unit = "tokens" if one.name == "tokens" else "s"
        text = MEASURES[one.name]
        said.append(f"{text[0].upper()}{text[1:]}: {rate['live']:.3g} {unit}, {rate['reference']:.3g} {unit} before.")
    alarm = Alarm(
        "speed",
        " ".join(said),
        since_of(traces, since),
        evidence_of(crossed[0], enough + WINDOW - 1, alpha),
        {"before": facts["before"], "after": quantiles(traces[since:])},
        examples_of(traces, slowest, told),
        *suggested(traces, since, "nothing"),
    )
    return Seen("speed", alarm.sentence, True, len(traces), facts, alarm)


def quantiles(traces: Sequence[Trace]) -> dict[str, Any]:
    """p50, p90 and p99 of each measure."""
    return {
        name: {f"p{round(100 * share)}": float(np.quantile(values, share)) for share in QUANTILES}
        for name, values in by_measure(map(measures_of, traces)).items()
    }
