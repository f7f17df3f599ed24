"""A version that is tried beside the live one: who asked which, what they said, and whether that is enough to decide.

Each client counts once, with what was said first of an answer to them: who sends a thousand thumbs decides no more than
who sends one. A look is a function of what was said in its order, so that the evidence (whet/stats/two_streams.py)
stays valid though one looks after each piece. Requests that name no client count for neither version.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from whet.errors import count
from whet.monitoring.trace import Feedback, Trace
from whet.monitoring.watches.feedback import badness
from whet.stats.paired import mean_interval, wilson
from whet.stats.two_streams import ALPHA, Compared, compare
from whet.text.normalise import normalise
from whet.text.numbers import format_score

Side = Literal["live", "new"]
SIDES: tuple[Side, Side] = ("live", "new")
Word = Literal["better", "worse", "go on"]


@dataclass(frozen=True, slots=True)
class SideRequests:
    """Of one version, while it is tried."""

    requests: int = 0
    clients: int = 0
    unnamed: int = 0
    """Requests that named no client."""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of feedback on an answer to somebody."""

    side: Side
    client: str | None
    feedback: Feedback
    answer: str | None
    """None where texts are not kept."""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """An answer that was given, and the one that was not."""

    told: str | None
    kept: str | None
    told_seconds: float | None
    kept_seconds: float | None
    failed: bool = False


@dataclass(slots=True)
class SeenTrial:
    """What a service knows of a trial. `said` is in the order in which it was said."""

    sides: dict[Side, SideRequests] = field(default_factory=dict)
    instead: int = 0
    """Requests that the live version answered because the new one could not."""
    said: list[Said] = field(default_factory=list)
    shadows: list[Shadowed] = field(default_factory=list)


@dataclass(slots=True)
class Opinions:
    """What counts of what was said, 1 for a good answer and 0 for a bad one, in order."""

    values: list[tuple[bool, float]] = field(default_factory=list)
    """Each with whether the new version is spoken of."""
    repeated: int = 0
    """Pieces of clients that counted already."""
    unnamed: int = 0
    """Pieces on requests without a client."""
    silent: int = 0
    """Pieces that tell neither good nor bad: comments, and corrections or labels of answers that were not kept."""

    def of(self, is_new: bool) -> list[float]:
        return [value for side, value in self.values if side == is_new]


def opinions_of(said: Iterable[Said], labels: Collection[str]) -> Opinions:
    """`labels` are those that the model answers (whet/monitoring/watches/feedback.py)."""
    found, heard = Opinions(), set[str]()
    for piece in said:
        bad = badness(Trace("", "", answer=piece.answer, feedback=(piece.feedback,)), labels)
        if bad is None:
            found.silent += 1
        elif piece.client is None:
            found.unnamed += 1
        elif piece.client in heard:
            found.repeated += 1
        else:
            heard.add(piece.client)
            found.values.append((piece.side == "new", 1.0 - bad))
    return found


def look_at_trial(seen: SeenTrial, labels: Collection[str], share: float, tested: bool) -> dict[str, Any]:
    """Facts for people and programs. `tested`: the sides are compared, whose `share` was the same all the time."""
    opinions = opinions_of(seen.said, labels)
    facts: dict[str, Any] = {
        "sides": {side: _side(seen, opinions, side) for side in SIDES},
        "instead": seen.instead,
        "feedback": {
            "pieces": len(seen.said),
            "counted": len(opinions.values),
            "same_client": opinions.repeated,
            "no_client": opinions.unnamed,
            "telling_nothing": opinions.silent,
        },
        "shadow": _shadow(seen.shadows) if seen.shadows else None,
        "comparison": None,
        "word": None,
    }
    if tested:
        compared = compare(opinions.values, share)
        facts |= {"comparison": _comparison(compared), "word": word_of(compared)}
        facts["sentence"] = _sentence(compared, opinions)
    return facts


def word_of(compared: Compared) -> Word:
    """What was decided once stays: the first moment at which the evidence was enough counts."""
    if compared.larger is None:
        return "go on"
    return "better" if compared.larger else "worse"


def _side(seen: SeenTrial, opinions: Opinions, side: Side) -> dict[str, Any]:
    asked = seen.sides.get(side, SideRequests())
    values = opinions.of(side == "new")
    return {
        "requests": asked.requests,
        "clients": asked.clients,
        "unnamed": asked.unnamed,
        "failed": asked.failed,
        "spoke": len(values),
        "content": sum(values) / len(values) if values else None,
        "interval": [*mean_interval(values)] if values else None,
    }


def _comparison(compared: Compared) -> dict[str, Any]:
    return {
        "difference": compared.estimate,
        "low": compared.low,
        "high": compared.high,
        "compared": compared.differences,
        "capital": compared.capital,
        "needed": 1 / ALPHA,
        "enough_at": compared.enough_at,
        "false_stops_at_most": ALPHA,
    }


def _sentence(compared: Compared, opinions: Opinions) -> str:
    live, new = len(opinions.of(False)), len(opinions.of(True))
    spoke = f"{count(new, 'client')} of the new version and {live:,} of the live one spoke of an answer"
    if compared.estimate is None:
        return f"{spoke}: nothing can be compared yet."
    if compared.low is None or compared.high is None:
        return f"{spoke}; what they said does not hang together, because it changed too much while it was looked at."
    content = f"{_points(compared.estimate)} more of them are content with the new one"
    return f"{spoke}; {content} ({_points(compared.low)} to {_points(compared.high)})."


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"


def _shadow(shadows: list[Shadowed]) -> dict[str, Any]:
    """Whether the shadow says the same, where both answers are kept."""
    both = [(one.told, one.kept) for one in shadows if one.told is not None and one.kept is not None]
    same = sum(normalise(told) == normalise(kept) for told, kept in both)
    return {
        "answers": len(shadows),
        "failed": sum(one.failed for one in shadows),
        "compared": len(both),
        "same": same / len(both) if both else None,
        "same_interval": [*wilson(same, len(both))] if both else None,
        "seconds": _median(one.kept_seconds for one in shadows if not one.failed),
        "told_seconds": _median(one.told_seconds for one in shadows if not one.failed),
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = sorted(value for value in values if value is not None)
    return known[len(known) // 2] if known else None


def percent(share: float | None) -> str:
    return "-" if share is None else format_score(share, None)
