"""All questions put to all traces, and one alarm for one cause.

A look depends on the requests that came, in their order, and on what was expected, of nothing else: who looks again
after more requests have come sees what a first look at all of them would show, and the bound on false alarms is that of
the whole stream. What is kept between two looks is `Lookout.state`, whose size is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal, TypedDict

from whet.errors import InputError, nearest
from whet.monitoring.alarm import Alarm, Question, Seen, without_words, written_time
from whet.monitoring.evidence import ALPHA
from whet.monitoring.expected import Expected
from whet.monitoring.memory.arrival import Arrival, arrivals, place_of
from whet.monitoring.memory.versions import Versions
from whet.monitoring.questions import drift, feedback, form, scores, speed
from whet.monitoring.questions.question import StandingQuestion, Told
from whet.monitoring.trace import Trace

Looking = Callable[[Sequence[Trace], Expected, float], Seen]
LOOKING: dict[Question, Looking] = {
    "drift": drift.look,
    "form": form.look,
    "feedback": feedback.look,
    "scores": scores.look,
    "speed": speed.look,
}
"""Each question alone, put to traces at once."""
SETTLED = 100
"""After so many requests, alarms are ended that are over: at the same ones, however often somebody looks."""
MOST_CLOSED = 50
"""Alarms that are over and kept."""


class Closed(TypedDict):
    """An alarm that is over."""

    id: str
    question: Question
    how: Literal["acknowledged", "resolved"]
    why: str | None
    at: str | None
    """The time of the last request then."""
    of: str | None
    """The alarm of the same cause that it was told with."""
    alarm: dict[str, Any]
    """Without what people wrote."""


@dataclass(frozen=True, slots=True)
class Monitored:
    seen: dict[Question, Seen]
    alarms: list[Alarm]
    """One for each cause, the one that began first at the front."""


class Lookout:
    """Takes the requests as they come, each once. `alpha` is the share of streams in which a question may raise a false
    alarm."""

    def __init__(self, expected: Expected, alpha: float = ALPHA) -> None:
        self.drift = drift.DriftQuestion(expected, alpha)
        self.form = form.FormQuestion(expected, alpha)
        self.feedback = feedback.FeedbackQuestion(expected, alpha)
        self.scores = scores.ScoresQuestion(expected, alpha)
        self.speed = speed.SpeedQuestion(expected, alpha)
        self.versions = Versions()
        self.traces = 0
        self.times: list[float] | None = None
        """The first and the last, as seconds since 1970."""
        self.closed: list[Closed] = []

    @property
    def questions(self) -> dict[Question, StandingQuestion]:
        return {one.name: one for one in (self.drift, self.form, self.feedback, self.scores, self.speed)}

    def take(self, traces: Iterable[Trace]) -> int:
        """Requests that no look has seen yet, in the order in which they came. Gives how many there were."""
        arrived, before = arrivals(traces, self.traces), self.traces
        while piece := list(islice(arrived, SETTLED - self.traces % SETTLED)):
            self._take_piece(piece)
            if self.traces % SETTLED == 0:
                self._settle()
        return self.traces - before

    def hear(self, traces: Iterable[tuple[Trace, Trace]]) -> None:
        """Requests of earlier looks that somebody has spoken of since: each as it was heard of before, and as it is
        now. What was said of one that counts already changes nothing."""
        for before, trace in traces:
            told = [Told(Arrival(place_of(self.traces, trace), trace))]
            for question in (self.feedback, self.scores):
                if not question.counted(before):
                    question.take(told)
            self.drift.hear(trace)

    def look(self) -> Monitored:
        seen: dict[Question, Seen] = {name: question.seen(self.versions) for name, question in self.questions.items()}
        alarms = [one.alarm for one in seen.values() if one.alarm is not None]
        return Monitored(seen, sorted(self._joined(alarms), key=lambda alarm: alarm.first))

    def acknowledge(self, name: str, why: str | None = None) -> list[str]:
        """Ends an alarm, by its id, and those of the same cause: what was new is known from here on. Gives the ids of
        all that ended. Raises InputError for an alarm that is not there."""
        alarms = self.look().alarms
        open_now: dict[str, list[Question]] = {}
        for alarm in alarms:
            open_now[alarm.id] = [alarm.question, *(other["question"] for other in alarm.also)]
            for other in alarm.also:
                open_now[other["id"]] = [other["question"]]
        if name not in open_now:
            known = ", ".join(open_now) or "none"
            what = f"there is no such alarm{nearest(name, open_now)}"
            raise InputError(what, where="--acknowledge", value=name, fix=f"open alarms: {known}")
        return [self._close(self.questions[question], "acknowledged", why) for question in reversed(open_now[name])]

    def forget(self, gone: Collection[str]) -> None:
        """The words of requests that were erased, by their ids."""
        for question in self.questions.values():
            question.forget(gone)

    @property
    def ids(self) -> set[str]:
        """Of the requests whose words are kept."""
        return set[str]().union(*(question.ids for question in self.questions.values()))

    def state(self) -> dict[str, Any]:
        kept = {name: question.state() for name, question in self.questions.items()}
        counted = {"traces": self.traces, "times": self.times, "closed": self.closed}
        return {"questions": kept, "versions": self.versions.state()} | counted

    def restore(self, state: dict[str, Any]) -> None:
        """Of a lookout with the same expectations."""
        for name, question in self.questions.items():
            question.restore(state["questions"][name])
        self.versions.restore(state["versions"])
        self.traces, self.times, self.closed = state["traces"], state["times"], state["closed"]

    def _take_piece(self, piece: Sequence[Arrival]) -> None:
        new = self.drift.mark(self.drift.beginning(piece))
        told = [Told(one, self._is_new(one, new)) for one in piece]
        for question in (self.form, self.feedback, self.scores, self.speed):
            question.take(told)
        for arrived in piece:
            self.versions.take(arrived)
        self._note_times([trace.at for _, trace in piece if trace.at is not None])
        self.traces += len(piece)

    def _settle(self) -> None:
        for question in self.questions.values():
            if question.ended:
                self._close(question, "resolved", None)

    def _close(self, question: StandingQuestion, how: Literal["acknowledged", "resolved"], why: str | None) -> str:
        seen = question.seen(self.versions)
        assert seen.alarm is not None
        drifted = self.drift.alarm_id if self.drift.crossing is not None else None
        joined = question is not self.drift and drifted is not None and question.silent_without_new
        self.closed.append(
            {
                "id": seen.alarm.id,
                "question": seen.question,
                "how": how,
                "why": why,
                "at": written_time(self.times[1]) if self.times else None,
                "of": drifted if joined else None,
                "alarm": without_words(asdict(seen.alarm)),
            }
        )
        self.closed = self.closed[-MOST_CLOSED:]
        if how == "acknowledged":
            question.accept()
        else:
            question.begin_again()
        return self.closed[-1]["id"]

    def _is_new(self, arrived: Arrival, new: dict[int, bool]) -> bool:
        """Also where it goes on with a conversation that a new prompt began."""
        talk = arrived.trace.conversation
        return new.get(arrived.place.number, False) or (talk is not None and talk in self.drift.new_talks)

    def _note_times(self, times: Sequence[float]) -> None:
        if times:
            known = [*(self.times or []), *times]
            self.times = [min(known), max(known)]

    def _joined(self, alarms: Sequence[Alarm]) -> list[Alarm]:
        """An alarm that is silent without the new prompts goes into the one of drift."""
        drifted = next((alarm for alarm in alarms if alarm.question == "drift"), None)
        if drifted is None:
            return list(alarms)
        kept = [drifted]
        for alarm in alarms:
            if alarm is drifted:
                continue
            if alarm.suggestion != "roll back" and self.questions[alarm.question].silent_without_new:
                drifted.also.append({"question": alarm.question, "sentence": alarm.sentence, "id": alarm.id})
            else:
                kept.append(alarm)
        return kept


def look_at(traces: Iterable[Trace], expected: Expected, alpha: float = ALPHA) -> Monitored:
    """At all traces at once. A record that came twice is one."""
    lookout = Lookout(expected, alpha)
    lookout.take(without_copies(traces))
    return lookout.look()


def without_copies(traces: Iterable[Trace]) -> list[Trace]:
    """The first of those with one id."""
    first: dict[str, Trace] = {}
    for trace in traces:
        first.setdefault(trace.id, trace)
    return list(first.values())
