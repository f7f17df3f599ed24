"""All questions put to all traces, and one alarm for one cause.

A look is a function of the traces and of what was expected, of nothing else: who looks again after more traces have
come sees what a first look at all of them would show, and the bound on false alarms is that of the whole stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whet.monitoring.alarm import Alarm, Question, Seen
from whet.monitoring.evidence import ALPHA
from whet.monitoring.expected import Expected
from whet.monitoring.questions import drift, feedback, form, scores, speed
from whet.monitoring.trace import Trace

Looking = Callable[[Sequence[Trace], Expected, float], Seen]
LOOKING: dict[Question, Looking] = {
    "drift": drift.look,
    "form": form.look,
    "feedback": feedback.look,
    "scores": scores.look,
    "speed": speed.look,
}
BY_PROMPTS: tuple[Question, ...] = ("form", "feedback", "scores")
"""Questions that may change because the prompts did."""
ENOUGH_OTHERS = 0.5
"""Share of the requests that must be left to tell that nothing else changed."""


@dataclass(frozen=True, slots=True)
class Monitored:
    seen: dict[Question, Seen]
    alarms: list[Alarm]
    """One for each cause, the one that began first at the front."""


def look_at(traces: Sequence[Trace], expected: Expected, alpha: float = ALPHA) -> Monitored:
    """`alpha` is the share of streams in which a question may raise a false alarm. A record that came twice is one."""
    traces = list({trace.id: trace for trace in reversed(traces)}.values())[::-1]
    seen: dict[Question, Seen] = {question: ask(traces, expected, alpha) for question, ask in LOOKING.items()}
    alarms = [one.alarm for one in seen.values() if one.alarm is not None]
    return Monitored(seen, sorted(joined(alarms, traces, expected, alpha), key=lambda alarm: alarm.first))


def joined(alarms: Sequence[Alarm], traces: Sequence[Trace], expected: Expected, alpha: float) -> list[Alarm]:
    """An alarm that is silent without the new prompts goes into the one of drift."""
    drifted = next((alarm for alarm in alarms if alarm.question == "drift"), None)
    if drifted is None:
        return list(alarms)

    talks = {traces[place].conversation for place in drifted.places} - {None}
    others = [
        trace for place, trace in enumerate(traces) if place not in drifted.places and trace.conversation not in talks
    ]
    kept = [drifted]
    for alarm in alarms:
        if alarm is drifted:
            continue
        if alarm.suggestion != "roll back" and _is_silent(alarm, others, len(traces), expected, alpha):
            drifted.also.append({"question": alarm.question, "sentence": alarm.sentence})
        else:
            kept.append(alarm)
    return kept


def _is_silent(alarm: Alarm, others: Sequence[Trace], of: int, expected: Expected, alpha: float) -> bool:
    """Among the requests without the new prompts, where they are enough to say so."""
    if alarm.question not in BY_PROMPTS or len(others) < ENOUGH_OTHERS * of:
        return False
    seen = LOOKING[alarm.question](others, expected, alpha)
    return seen.watched and seen.alarm is None
