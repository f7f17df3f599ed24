"""What monitoring says: of each question what was seen, and of some that something has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from math import exp
from typing import Any, Literal, TypedDict

from whet.monitoring.evidence import ScoreWatch
from whet.monitoring.memory.arrival import Place
from whet.monitoring.memory.shown import Shown
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
LARGEST = 700.0
"""Above it, the exponential overflows."""


class SameCause(TypedDict):
    """An alarm that goes away without the requests of another one."""

    question: Question
    sentence: str
    id: str


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
    id: str = ""
    """The same in each look, as long as the alarm lasts."""
    wordless: str = ""
    """The sentence without words that people wrote."""
    also: list[SameCause] = field(default_factory=list)
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


def since_of(place: Place) -> dict[str, Any]:
    return {"trace": place.number, "id": place.id, "where": place.where, "at": written_time(place.at)}


def written_time(at: float | None) -> str | None:
    """UTC, to the second."""
    if at is None or not 0 <= at < LATEST:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def evidence_of(watch: ScoreWatch, alpha: float) -> dict[str, Any]:
    """`capital` of a gambler who began with 1; he had to reach `needed`."""
    assert watch.crossing is not None
    return {
        "score": watch.name,
        "capital": exp(min(watch.crossing.capital, LARGEST)),
        "needed": exp(watch.threshold),
        "false_alarms_at_most": alpha,
        "enough_at_trace": watch.crossing.enough.number,
    }


def examples_of(shown: Iterable[Shown], score: str) -> list[dict[str, Any]]:
    """The first SHOWN of them, each with its score."""
    return [
        {"id": one["id"], "where": one["where"], "at": written_time(one["at"]), "score": one["scores"][score]}
        | {"asked": one["asked"], "answer": one["answer"]}
        for one in islice(shown, SHOWN)
    ]


def without_words(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """An alarm as a dictionary, without anything that people wrote or were answered."""
    told = {key: value for key, value in alarm.items() if key != "wordless"}
    examples = [{key: one[key] for key in one if key not in ("asked", "answer")} for one in alarm["examples"]]
    rate = {key: value for key, value in alarm["rate"].items() if key != "kinds"}
    return told | {"sentence": alarm["wordless"] or alarm["sentence"], "examples": examples, "rate": rate}
