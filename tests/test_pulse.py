"""Beats reach whoever listens, with the words around them, and not more often than anybody can read."""

from __future__ import annotations

from typing import Any

import pytest

from whet import pulse
from whet.observer import Silent, counted, watched_by


class Attentive(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def pulse(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(pulse.time, "monotonic", lambda: now[0])
    return now


def test_a_beat_is_heard_with_the_words_around_it_and_by_the_nearest_listener_only(clock: list[float]) -> None:
    outer, inner = Attentive(), Attentive()
    pulse.beat("before")
    with watched_by(outer), pulse.saying("validation"):
        pulse.beat("reading 3 tokens")
        with watched_by(inner), pulse.saying("base"):
            pulse.beat("1 answer")
        clock[0] += 1
        pulse.beat("reading 4 tokens")
    pulse.beat("after")
    assert outer.heard == ["validation, reading 3 tokens", "validation, reading 4 tokens"]
    assert inner.heard == ["validation, base, 1 answer"]


def test_beats_that_follow_each_other_too_fast_are_dropped(clock: list[float]) -> None:
    watch = Attentive()
    with watched_by(watch):
        for number in range(10):
            pulse.beat(str(number))
            clock[0] += 0.04
    assert watch.heard == ["0", "3", "6", "9"]


class Deaf:
    """An observer of before there was a pulse."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...

    def done(self) -> None: ...


def test_beats_pass_by_an_observer_without_a_pulse(clock: list[float]) -> None:
    outer = Attentive()
    with watched_by(outer), watched_by(Deaf()):
        pulse.beat("reading")
    assert outer.heard == ["reading"], "who watches around it still hears"


def test_the_words_and_the_listener_are_gone_after_a_failure(clock: list[float]) -> None:
    watch = Attentive()
    with pytest.raises(ValueError), watched_by(watch), pulse.saying("x"):
        raise ValueError
    pulse.beat("after")
    with watched_by(watch):
        pulse.beat("again")
    assert watch.heard == ["again"]


def test_a_count_goes_on_from_what_was_done_before() -> None:
    steps: list[tuple[int, int]] = []

    class Steps(Silent):
        def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
            steps.append((step, total))

    count = counted(Steps(), 9, start=4)
    count(1)
    count(5)
    assert steps == [(5, 9), (9, 9)]
