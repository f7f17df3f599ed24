"""What monitoring says: of each question what was seen, and of some that something has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import exp
from typing import Any, Literal

from whet.errors import without_hidden
from whet.monitoring.evidence import ScoreWatch
from whet.monitoring.trace import Trace
from whet.text.normalise import one_line
from whet.text.numbers import format_score

Question = Literal["drift", "form", "feedback", "scores", "speed"]
Suggestion = Literal["nothing", "collect", "retrain", "roll back"]
QUESTIONS: dict[Question, str] = {
    "drift": "Do live prompts look like those that it was trained on?",
    "form": "Do answers keep their form?",
    "feedback": "Are people content?",
    "scores": "Does it score as on its test rows?",
    "speed": "Are answers as fast and as long as they were?",
}
LATEST = 253_402_300_800.0
"""The year 10000."""
SHOWN = 5
"""Examples of an alarm."""
LONGEST_SHOWN = 160
"""Letters of a prompt or an answer."""
LARGEST = 700.0
"""Above it, the exponential overflows."""


@dataclass(slots=True)
class Alarm:
    question: Question
    sentence: str
    since: dict[str, Any]
    evidence: dict[str, Any]
    rate: Mapping[str, Any]
    examples: list[dict[str, Any]]
    suggestion: Suggestion
    reason: str
    """Of the suggestion."""
    places: frozenset[int] = frozenset()
    """Of the traces that it is about, where it can tell."""
    also: list[dict[str, str]] = field(default_factory=list)
    """Other questions whose change goes away without the traces of this one: the same cause."""

    @property
    def first(self) -> int:
        """Place of the trace since which it speaks."""
        return self.since["trace"]


@dataclass(slots=True)
class Seen:
    """What came of a question."""

    question: Question
    sentence: str
    watched: bool
    traces: int = 0
    """That tell something of it."""
    facts: dict[str, Any] = field(default_factory=dict)
    alarm: Alarm | None = None


def not_watched(question: Question, why: str) -> Seen:
    return Seen(question, why, False)


def percent(share: float) -> str:
    return format_score(share, None)


def since_of(traces: Sequence[Trace], place: int) -> dict[str, Any]:
    trace = traces[place]
    return {"trace": place, "id": trace.id, "where": trace.where, "at": written_time(trace.at)}


def written_time(at: float | None) -> str | None:
    """UTC, to the second."""
    if at is None or not 0 <= at < LATEST:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def evidence_of(watch: ScoreWatch, place: int, alpha: float) -> dict[str, Any]:
    """`capital` of a gambler who began with 1; he had to reach `needed`. `place` is the trace that made it enough."""
    return {
        "score": watch.name,
        "capital": exp(min(watch.wager.most, LARGEST)),
        "needed": exp(watch.threshold),
        "false_alarms_at_most": alpha,
        "enough_at_trace": place,
    }


def examples_of(traces: Sequence[Trace], places: Iterable[int], told: Mapping[int, float]) -> list[dict[str, Any]]:
    """The first SHOWN of them, each with its score."""
    shown = []
    for place in list(places)[:SHOWN]:
        trace = traces[place]
        one = {"id": trace.id, "where": trace.where, "at": written_time(trace.at), "score": told[place]}
        shown.append(one | {"asked": _short(trace.asked), "answer": _short(trace.answer or "")})
    return shown


def _short(text: str) -> str:
    text = without_hidden(one_line(text))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
