"""Do live prompts look like those that the model was trained on?"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from whet.doctor.analysis.topics import distinctive_words, matrix_of, topics
from whet.errors import count
from whet.monitoring.alarm import (
    SHOWN,
    Alarm,
    Question,
    Seen,
    Suggestion,
    evidence_of,
    not_watched,
    percent,
    since_of,
    written_time,
)
from whet.monitoring.evidence import ALPHA, Crossing, ScoreWatch
from whet.monitoring.expected import Expected
from whet.monitoring.memory.arrival import Arrival
from whet.monitoring.memory.remembered import Remembered
from whet.monitoring.memory.shown import short
from whet.monitoring.memory.versions import Versions
from whet.monitoring.questions.question import StandingQuestion, Told, look_with
from whet.monitoring.trace import Trace
from whet.monitoring.watches.drift import FEWEST_KNOWN, FEWEST_LIVE, LATEST, DriftWatch, Look
from whet.monitoring.watches.feedback import right_answer

ENOUGH_ANSWERS = 50
"""Right answers to new prompts that a new tune can learn from."""
ENOUGH_ACCEPTED = 2 * FEWEST_KNOWN
"""Prompts since an alarm that was acknowledged, to hold later ones to: half of them are ranked among."""
KINDS = 6
FEWEST_OF_A_KIND = 3


def look(traces: Iterable[Trace], expected: Expected, alpha: float = ALPHA) -> Seen:
    return look_with(DriftQuestion(expected, alpha), traces)


class DriftQuestion(StandingQuestion):
    name: Question = "drift"

    def __init__(self, expected: Expected, alpha: float = ALPHA) -> None:
        super().__init__()
        self.alpha, self.known, self.labels = alpha, expected.prompts, expected.labels
        self.watch = DriftWatch(self.known, alpha) if len(self.known) >= FEWEST_KNOWN else None
        self.accepted: list[str] | None = None
        """Prompts since the alarm that was acknowledged last."""
        self.answers: deque[tuple[str, bool]] = deque(maxlen=LATEST)
        """Of the prompts that the watch keeps: the answer, and whether the right one is known."""
        self.new_talks = Remembered()
        """Conversations that a new prompt began."""

    def take(self, told: Sequence[Told]) -> None:
        self.mark(self.beginning([one.arrived for one in told]))

    def beginning(self, arrived: Iterable[Arrival]) -> list[Arrival]:
        """The requests that begin a conversation, and tell what was asked. One that holds an answer already goes on
        with one."""
        return [one for one in arrived if _begins(one.trace) and self._is_first(one.trace)]

    def mark(self, begun: Sequence[Arrival]) -> dict[int, bool]:
        """Looks at the prompts. Gives of each, by its number, whether it looks new."""
        if self.watch is None and self.accepted is not None:
            self.accepted += [one.trace.asked for one in begun]
            if len(self.accepted) >= ENOUGH_ACCEPTED:
                self.watch = DriftWatch(self.known, self.alpha, accepted=self.accepted)
            return {}
        if self.watch is None:
            return {}
        found = self.watch.see([one.trace.asked for one in begun], [one.place for one in begun])
        for (_, trace), new in zip(begun, found, strict=True):
            self.answers.append((short(trace.answer or ""), self._has_right_answer(trace)))
            if new and trace.conversation is not None:
                self.new_talks.add(trace.conversation)
        return {one.place.number: new for one, new in zip(begun, found, strict=True)}

    def hear(self, trace: Trace) -> None:
        """What was said of a request later."""
        if self.watch is None or not self._has_right_answer(trace):
            return
        for n, prompt in enumerate(self.watch.latest):
            if prompt.place.id == trace.id:
                self.answers[n] = (self.answers[n][0], True)

    def seen(self, versions: Versions) -> Seen:
        watch = self.watch
        if watch is None and self.accepted is not None:
            so_far = f"{len(self.accepted)} prompts since the alarm that was acknowledged"
            return not_watched("drift", f"not looked at: {so_far}, {ENOUGH_ACCEPTED} are needed to hold later ones to")
        if watch is None:
            known = count(len(self.known), "prompt")
            return not_watched("drift", f"not looked at: {known} of the training rows, {FEWEST_KNOWN} are needed")
        if watch.seen < FEWEST_LIVE:
            return not_watched("drift", f"not looked at: {count(watch.seen, 'live prompt')}, {FEWEST_LIVE} are needed")

        crossed = watch.crossed
        seen = watch.look(crossed.since.number if crossed else None)
        assert seen is not None
        facts = {"auc": seen.area, "auc_interval": list(seen.interval), "auc_of": len(seen.score_N)}
        area = f"a classifier tells them from {self._held_to} with an AUC of {seen.area:.2f}"
        area += f" ({seen.interval[0]:.2f} to {seen.interval[1]:.2f}; 0.50 is by chance)"
        if crossed is None:
            return Seen("drift", f"Live prompts look as they did: {area}.", True, watch.seen, facts)
        alarm = self._alarm(crossed, seen, facts, area)
        return Seen("drift", alarm.sentence, True, watch.seen, facts, alarm)

    @property
    def crossing(self) -> Crossing | None:
        crossed = self.watch.crossed if self.watch is not None else None
        return crossed.crossing if crossed is not None else None

    def accept(self) -> None:
        """Later prompts are held to those since the alarm."""
        assert self.watch is not None and self.crossing is not None
        enough = self.crossing.enough.number
        self.accepted = [one.text for one in self.watch.latest if one.place.number > enough and one.text]
        self.watch = None
        self.answers.clear()
        self.new_talks = Remembered()
        self.episode += 1
        self.mark([])

    def begin_again(self) -> None:
        """Nothing ends an alarm of prompts but a person."""
        raise AssertionError("an alarm of prompts ends when somebody acknowledges it")

    @property
    def ids(self) -> set[str]:
        return {one.place.id for one in self.watch.latest} if self.watch is not None else set()

    def forget(self, gone: Collection[str]) -> None:
        if self.watch is None:
            return
        for n, one in enumerate(self.watch.latest):
            if one.place.id in gone:
                self.watch.latest[n] = one._replace(text="")
                self.answers[n] = ("", self.answers[n][1])

    @property
    def _held_to(self) -> str:
        return "training prompts" if self.accepted is None else "those since the last alarm"

    def _has_right_answer(self, trace: Trace) -> bool:
        return any(right_answer(one, self.labels) is not None for one in trace.feedback)

    def _alarm(self, crossed: ScoreWatch, seen: Look, facts: dict[str, Any], area: str) -> Alarm:
        answers = list(self.answers)[-len(seen.live) :]
        kinds = kinds_of([seen.live[n].text for n in seen.new])
        wordless = _sentence(len(seen.new), len(seen.live), self._held_to, area)
        return Alarm(
            "drift",
            _with_words(wordless, kinds),
            since_of(crossed.since),
            evidence_of(crossed, self.alpha),
            {**facts, "new": len(seen.new), "of": len(seen.live), "kinds": kinds},
            [_example(seen, n, answers[n][0]) for n in _telling(seen)],
            *_suggestion(sum(answers[n][1] for n in seen.new)),
            id=self.alarm_id,
            wordless=wordless,
        )

    def state(self) -> dict[str, Any]:
        held = {"accepted": self.accepted, "answers": [list(one) for one in self.answers]}
        watch = None if self.watch is None else self.watch.state()
        return super().state() | held | {"new_talks": self.new_talks.state(), "watch": watch}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.accepted = state["accepted"]
        self.answers = deque(((answer, right) for answer, right in state["answers"]), maxlen=LATEST)
        self.new_talks = Remembered.restored(state["new_talks"])
        if state["watch"] is None:
            self.watch = None
            return
        if self.accepted is not None:
            self.watch = DriftWatch(self.known, self.alpha, accepted=self.accepted)
        assert self.watch is not None
        self.watch.restore(state["watch"])


def _begins(trace: Trace) -> bool:
    return bool(trace.asked.strip()) and not any(message.get("role") == "assistant" for message in trace.messages)


def _example(seen: Look, place: int, answer: str) -> dict[str, Any]:
    one = seen.live[place]
    named = {"id": one.place.id, "where": one.place.where, "at": written_time(one.place.at)}
    return named | {"score": float(seen.score_N[place]), "asked": short(one.text), "answer": answer}


def kinds_of(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The new prompts in kinds, each named by its words, the largest first."""
    texts = [text for text in texts if text]
    if len(texts) < FEWEST_OF_A_KIND:
        return []
    matrix_NF = matrix_of(texts)
    if not matrix_NF.nnz:
        return []
    kind_N = topics(matrix_NF, KINDS)
    sizes = np.bincount(kind_N)
    return [
        {"words": distinctive_words(texts, kind_N, kind), "prompts": int(size)}
        for kind, size in enumerate(sizes)
        if size >= FEWEST_OF_A_KIND
    ]


def _sentence(new: int, of: int, held_to: str, area: str) -> str:
    trained = "that it was trained on" if held_to == "training prompts" else "since the last alarm"
    said = f"Live prompts have changed: {new} of the last {of} ({percent(new / of)}) are unlike those "
    return f"{said}{trained}, where 5% would be ordinary; {area}."


def _with_words(sentence: str, kinds: Sequence[dict[str, Any]]) -> str:
    named = "; ".join(f"{', '.join(kind['words'])} ({kind['prompts']})" for kind in kinds[:3] if kind["words"])
    return f"{sentence} By their words: {named}." if named else sentence


def _telling(seen: Look) -> list[int]:
    """Places of the newest looking ones, no text twice."""
    found: dict[str, int] = {}
    for place in sorted(seen.new, key=lambda place: -seen.score_N[place]):
        found.setdefault(seen.live[place].text, place)
    return list(found.values())[:SHOWN]


def _suggestion(answered: int) -> tuple[Suggestion, str]:
    if answered >= ENOUGH_ANSWERS:
        return "retrain", f"{answered} of the new prompts have a right answer"
    return "collect", f"{answered} of the new prompts have a right answer, and {ENOUGH_ANSWERS} are worth a tune"
