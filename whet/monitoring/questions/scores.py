"""Does the model score as on its test rows?"""

from __future__ import annotations

from collections.abc import Sequence

from whet.errors import count
from whet.monitoring.alarm import Alarm, Seen, evidence_of, examples_of, not_watched, percent, since_of
from whet.monitoring.expected import Expected
from whet.monitoring.questions.versions import suggested
from whet.monitoring.trace import Trace, once_each
from whet.monitoring.watches.scores import BY_LABELS, scored
from whet.monitoring.watches.steady import watch
from whet.stats.paired import mean_interval

FEWEST_TESTED = 20
LOSS = "loss"


def look(traces: Sequence[Trace], expected: Expected, alpha: float) -> Seen:
    if expected.metric != BY_LABELS or not expected.labels:
        return not_watched("scores", "not looked at: only answers that are labels are scored by labels that come later")
    told = [(place, scored(trace, expected.labels)) for place, trace in enumerate(traces)]
    values = once_each({place: value for place, value in told if value is not None}, traces)
    if not values:
        return not_watched("scores", "not looked at: no request has one of its labels as the right answer")

    low, high = mean_interval(list(values.values()))
    mean = sum(values.values()) / len(values)
    facts = {"metric": expected.metric, "live": mean, "live_interval": [low, high]}
    said = f"{percent(mean)} on {count(len(values), 'request')} with a right label"
    said += f" ({percent(low)} to {percent(high)})"
    if len(expected.scores) < FEWEST_TESTED:
        return Seen("scores", f"{said}; there are no test scores to hold it to.", False, len(values), facts)

    tested = sum(expected.scores) / len(expected.scores)
    facts["tested"] = tested
    losses = [(place, {LOSS: -value}) for place, value in values.items()]
    watched = watch(losses, {LOSS: [-score for score in expected.scores]}, alpha, 1)
    crossed = watched.evidence.crossed
    if not crossed:
        same = "that is what its test rows gave" if low <= tested <= high else "too little to tell a change by"
        word = f"{said}; {same} ({percent(tested)})."
        return Seen("scores", word, True, len(values), facts)

    _, enough, since = watched.crossing_of(crossed[0])
    later = {place: value for place, value in values.items() if place >= since}
    now = sum(later.values()) / len(later)
    worst = sorted(later, key=lambda place: (later[place], place))
    alarm = Alarm(
        "scores",
        f"It scores worse than on its test rows: {percent(now)} of {len(later):,} traces with a right label, "
        f"{percent(tested)} there.",
        since_of(traces, since),
        evidence_of(crossed[0], enough, alpha),
        {**facts, "live": now, "live_interval": list(mean_interval(list(later.values()))), "traces": len(later)},
        examples_of(traces, worst, later),
        *suggested(traces, since, "retrain"),
    )
    return Seen("scores", alarm.sentence, True, len(values), facts, alarm)
