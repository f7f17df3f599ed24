"""A watch over a log that grows and is rotated: each request once, whatever was killed, and one message a cause."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

import whet.monitoring.memory.position as positions
from tests.monitoring.test_drift import asked, desk, kitchen
from whet.errors import DataError, InputError, RunError, RunFolderError
from whet.monitoring.alerts.book import AlertBook
from whet.monitoring.expected import Expected
from whet.monitoring.logs.whet import written
from whet.monitoring.memory.source import LogSource
from whet.monitoring.standing import STATE, OtherStateError, StandingWatch, watched_model
from whet.monitoring.trace import Feedback, Trace
from whet.verbs.upkeep.watch import BOOK, Telling, pass_over

LABELS = ("card", "transfer")
EXPECTED = Expected((), LABELS, "accuracy", ["card", "transfer"] * 60)
BEGIN = 1_700_000_000.0


class Memory:
    """Requests that a test holds, in the order in which they came."""

    name, folder, in_order = "memory", None, True

    def __init__(self, traces: Sequence[Trace]) -> None:
        self.traces = list(traces)
        self.erased: set[str] = set()

    def since(self, at: float | None) -> Iterable[Trace]:
        return [trace for trace in self.traces if at is None or (trace.at or 0) >= at]

    def latest(self, most: int) -> Iterable[Trace]:
        return self.traces[-most:]

    def spoken_of(self, after: float) -> Iterable[Trace]:
        return [trace for trace in self.traces if any((said.at or 0) > after for said in trace.feedback)]

    def gone(self, ids: Collection[str]) -> set[str]:
        return self.erased & set(ids)


def answered(rows: int, wrong: Callable[[int], float], seed: int = 0) -> list[Trace]:
    """Answers that are out of form with this chance, a minute apart."""
    random = Random(seed)
    said = ["Well, hm." if random.random() < wrong(n) else random.choice(LABELS) for n in range(rows)]
    return [
        replace(trace, id=f"r{n}", answer=text, at=BEGIN + 60 * n)
        for n, (trace, text) in enumerate(zip(asked(["?"] * rows), said, strict=True))
    ]


def opened(folder: Path, source: Any, expected: Expected = EXPECTED) -> StandingWatch:
    return StandingWatch(folder, watched_model("run", source, None, expected), expected)


class Post:
    """A webhook that writes down what it took."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.closed = False

    def send(self, key: str, body: dict[str, Any]) -> None:
        if self.closed:
            raise RunError("the message was not taken")
        self.taken.append((key, json.loads(json.dumps(body))))


def telling(post: Post, **more: Any) -> Telling:
    return Telling("desk", post, **more)  # type: ignore[arg-type]


def turned(n: int) -> float:
    return 0.4 if n >= 200 else 0.0


def test_each_request_counts_once_in_a_log_that_grows_and_is_rotated(tmp_path: Path) -> None:
    traces = answered(300, turned)
    log, state = tmp_path / "log.jsonl", tmp_path / "state"

    def logged(part: Sequence[Trace]) -> None:
        log.write_text("".join(json.dumps(written(trace)) + "\n" for trace in part), "utf-8")

    counts = []
    for part in (traces[:100], traces[:180], traces[150:250], traces[250:250], traces[240:], traces[240:]):
        logged(part)
        counts.append(opened(state, LogSource(log)).catch_up(LogSource(log)))
    assert counts == [100, 80, 70, 0, 50, 0]
    whole = opened(tmp_path / "other", LogSource(log))
    whole.lookout.take(traces)
    pieces = opened(state, LogSource(log)).lookout.look()
    assert pieces.alarms and [alarm.evidence for alarm in pieces.alarms] == [
        alarm.evidence for alarm in whole.lookout.look().alarms
    ]


def test_records_without_ids_are_known_by_time_and_content(tmp_path: Path) -> None:
    """The fifth line of a log that was rotated is another one than the fifth of the log before."""
    log = tmp_path / "log.jsonl"
    traces = [replace(trace, id="", where="") for trace in answered(40, turned)]
    counts = []
    for part in (traces[:20], traces[:30], traces[25:]):
        lines = [{key: value for key, value in written(trace).items() if key not in ("id", "where")} for trace in part]
        log.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        counts.append(opened(tmp_path / "state", LogSource(log)).catch_up(LogSource(log)))
    assert counts == [20, 10, 10]


def test_a_record_without_a_time_is_refused(tmp_path: Path) -> None:
    source = Memory([replace(trace, at=None) for trace in answered(3, turned)])
    with pytest.raises(DataError, match="has no time"):
        opened(tmp_path, source).catch_up(source)


def test_one_that_comes_late_counts_and_one_that_comes_much_too_late_does_not(tmp_path: Path) -> None:
    source = Memory(answered(100, turned))
    opened(tmp_path, source).catch_up(source)
    late = [replace(source.traces[0], id=f"late-{n}", at=BEGIN + 60 * at) for n, at in enumerate((98.5, 50, 10))]
    source.traces += late
    assert opened(tmp_path, source).catch_up(source) == 2


def test_what_is_remembered_of_requests_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for 50 ids, none is counted twice: what may have been forgotten is older than all that is not."""
    monkeypatch.setattr(positions, "MOST_KNOWN", 50)
    source = Memory(answered(100, turned))
    counts = [opened(tmp_path, source).catch_up(source) for _ in range(2)]
    source.traces += answered(130, turned)[100:]
    counts += [opened(tmp_path, source).catch_up(source) for _ in range(2)]
    assert counts == [100, 0, 30, 0]


def test_a_clock_from_the_future_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = answered(50, turned)
    monkeypatch.setattr(positions.time, "time", lambda: BEGIN + 60 * 30)
    source = Memory([*traces[:30], replace(traces[0], id="future", at=9e9)])
    opened(tmp_path, source).catch_up(source)
    source.traces += traces[30:]
    assert opened(tmp_path, source).catch_up(source) == 20


class Killed(BaseException):
    pass


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("point", range(7))
def test_a_pass_that_is_killed_at_any_write_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: int, before: bool
) -> None:
    """At each file that appears, and at each message that goes out; before it, and after it."""
    source = Memory(answered(320, turned))
    prom = tmp_path / "desk.prom"
    whole, usual = Post(), opened(tmp_path / "usual", source)
    pass_over(usual, source, telling(whole, prometheus=prom))
    (message,) = whole.taken

    points, post, replace_file = 0, Post(), os.replace

    def counted(act: Callable[[], None]) -> None:
        nonlocal points
        points += 1
        if points - 1 == point and before:
            raise Killed
        act()
        if points - 1 == point:
            raise Killed

    monkeypatch.setattr(os, "replace", lambda one, other: counted(lambda: replace_file(one, other)))
    open_post = Post()
    open_post.send = lambda key, body: counted(lambda: post.send(key, body))  # type: ignore[method-assign]
    killed = True
    try:
        pass_over(opened(tmp_path / "state", source), source, telling(open_post, prometheus=prom))
        killed = False
    except Killed:
        pass
    monkeypatch.undo()
    assert killed is (point < 6), "there are six points: state, book, message, book, figures, Prometheus"

    again = opened(tmp_path / "state", source)
    pass_over(again, source, telling(post, prometheus=prom))
    assert again.lookout.traces == 320
    assert again.lookout.look() == usual.lookout.look()
    assert {key for key, _ in post.taken} == {message[0]} and all(body == message[1] for _, body in post.taken)
    assert len(post.taken) <= 2 and not AlertBook(tmp_path / "state" / BOOK).queue
    if killed and point != 2:  # one that went out as the process died goes out again, under the same key
        assert len(post.taken) == 1 or (point == 3 and before)


def test_an_alarm_is_told_once_however_often_one_looks(tmp_path: Path) -> None:
    source, post = Memory([]), Post()
    for until in range(100, 500, 20):
        source.traces = answered(until, turned)
        pass_over(opened(tmp_path, source), source, telling(post))
    assert [key.split("-")[0] + key[-6:] for key, _ in post.taken] == ["form-alarm"]


def test_a_message_that_is_not_taken_is_tried_later_and_later(tmp_path: Path) -> None:
    source, post = Memory(answered(320, turned)), Post()
    post.closed = True
    passed = pass_over(opened(tmp_path, source), source, telling(post))
    assert passed["undelivered"] == 1 and passed["sent"] == 0 and "not taken" in passed["trouble"]
    book = AlertBook(tmp_path / BOOK)
    begin = book.queue[0]["next"]
    waits = []
    for _ in range(12):
        now = book.queue[0]["next"]
        assert book.deliver(post.send, now - 1) == (0, ""), "it is not due"
        book.deliver(post.send, now)
        waits.append(book.queue[0]["next"] - now)
    assert waits[:3] == [120, 240, 480] and waits[-1] == 6 * 3600 and begin > 0
    post.closed = False
    assert AlertBook(tmp_path / BOOK).deliver(post.send, book.queue[0]["next"])[0] == 1
    assert len(post.taken) == 1 and not AlertBook(tmp_path / BOOK).queue


def test_an_alarm_without_a_webhook_is_told_once_there_is_one(tmp_path: Path) -> None:
    source, post = Memory(answered(320, turned)), Post()
    pass_over(opened(tmp_path, source), source, Telling("desk"))
    pass_over(opened(tmp_path, source), source, telling(post))
    assert len(post.taken) == 1


def test_acknowledged_what_was_new_is_known_and_the_next_change_is_a_new_alarm(tmp_path: Path) -> None:
    def worse(n: int) -> float:
        return 0.0 if n < 200 else 0.3 if n < 800 else 0.9

    source, post = Memory(answered(500, worse)), Post()
    watch = opened(tmp_path, source)
    passed = pass_over(watch, source, telling(post))
    with pytest.raises(InputError, match="no such alarm"):
        watch.lookout.acknowledge("form-0000000000")
    (first,) = passed["new"]
    watch.lookout.acknowledge(first, "answers in German are meant")
    watch.save()
    pass_over(watch, None, telling(post))

    source.traces = answered(800, worse)
    assert pass_over(opened(tmp_path, source), source, telling(post))["new"] == []
    source.traces = answered(1000, worse)
    (second,) = pass_over(opened(tmp_path, source), source, telling(post))["new"]
    assert second != first
    assert [body["event"] for _, body in post.taken] == ["alarm", "acknowledged", "alarm"]
    assert post.taken[1][1]["why"] == "answers in German are meant"
    alarm = opened(tmp_path, source).lookout.look().alarms[0]
    assert 0.2 < alarm.rate["invalid"]["reference"] < 0.4 and alarm.first >= 780


def test_what_is_as_before_is_told_as_resolved_and_may_change_again(tmp_path: Path) -> None:
    def passing(n: int) -> float:
        return 0.5 if 200 <= n < 500 or n >= 900 else 0.0

    source, post = Memory([]), Post()
    for until in (100, 400, 900, 1300):
        source.traces = answered(until, passing)
        pass_over(opened(tmp_path, source), source, telling(post))
    assert [body["event"] for _, body in post.taken] == ["alarm", "resolved", "alarm"]
    assert len({key for key, _ in post.taken}) == 3
    whole = opened(tmp_path / "whole", source)
    whole.catch_up(source)
    assert [one["how"] for one in whole.lookout.closed] == ["resolved"]
    assert whole.lookout.look() == opened(tmp_path, source).lookout.look()


def test_an_alarm_does_not_end_while_all_is_as_bad(tmp_path: Path) -> None:
    """Twenty answers in a row that happen to be right are no evidence of anything."""
    alarmed = 0
    for seed in range(4):
        source = Memory(answered(800, lambda n: 0.15 if n >= 100 else 0.0, seed))
        watch = opened(tmp_path / str(seed), source)
        watch.catch_up(source)
        alarmed += len(watch.lookout.look().alarms)
        assert not watch.lookout.closed
    assert alarmed == 4


@pytest.fixture(scope="module")
def new_prompts() -> tuple[Memory, Expected]:
    """New prompts that are answered out of form: one cause."""
    random, new = Random(4), kitchen(700)
    texts = [new[n] if n >= 200 and random.random() < 0.3 else text for n, text in enumerate(desk(700, seed=3))]
    traces = [
        replace(
            trace,
            answer="Well, hm." if "fridge" in trace.asked else random.choice(LABELS),
            at=BEGIN + n,
            feedback=(Feedback(corrected="anna@example.com"),) if n == 250 else (),
        )
        for n, trace in enumerate(asked(texts))
    ]
    return Memory(traces), Expected(desk(200, seed=9), LABELS, "accuracy", ["card", "transfer"] * 60)


def test_one_cause_is_one_message_without_what_people_wrote(
    tmp_path: Path, new_prompts: tuple[Memory, Expected]
) -> None:
    source, expected = new_prompts
    post, part = Post(), Memory([])
    watch = opened(tmp_path, source, expected)
    for until in range(200, 500, 25):
        part.traces = source.traces[:until]
        pass_over(watch, part, telling(post))
    ((_, body),) = post.taken
    assert {body["question"], *(other["question"] for other in body["also"])} <= {"drift", "form"}
    assert [alarm.question for alarm in watch.lookout.look().alarms] == ["drift"]
    told = json.dumps(body) + (tmp_path / BOOK).read_text("utf-8")
    assert "fridge" not in told and "anna" not in told

    (alarm,) = watch.lookout.look().alarms
    closed = watch.lookout.acknowledge(alarm.id)
    assert {name.split("-")[0] for name in closed} == {"drift", "form"}
    part.traces = source.traces
    pass_over(watch, part, telling(post))
    assert watch.lookout.look().alarms == [], "what was new is known"
    assert [body["event"] for _, body in post.taken][1:] == ["acknowledged"]


def test_content_goes_out_where_it_is_asked_for(tmp_path: Path, new_prompts: tuple[Memory, Expected]) -> None:
    source, expected = new_prompts
    post = Post()
    pass_over(opened(tmp_path, source, expected), Memory(source.traces[:400]), telling(post, content=True))
    drifted = next(body for _, body in post.taken if body["question"] == "drift")
    assert "fridge" in json.dumps(drifted["examples"]) and "wordless" not in drifted


def test_what_was_erased_leaves_the_state(tmp_path: Path, new_prompts: tuple[Memory, Expected]) -> None:
    source, expected = new_prompts
    erasing = Memory(source.traces[:260])
    erasing.erased = {trace.id for trace in erasing.traces if "fridge" in trace.asked}
    opened(tmp_path, source, expected).catch_up(Memory(source.traces[:260]))
    assert b"fridge" in (tmp_path / STATE).read_bytes()
    opened(tmp_path, source, expected).catch_up(erasing)
    assert b"fridge" not in (tmp_path / STATE).read_bytes()


def test_feedback_that_comes_later_counts_once(tmp_path: Path) -> None:
    traces = answered(200, lambda n: 0.0)
    source = Memory(traces)

    def heard() -> int:
        watch = opened(tmp_path, source)
        watch.catch_up(source)
        return watch.lookout.feedback.heard

    def says(good: bool, at: float) -> Feedback:
        return Feedback(good=good, at=BEGIN + at)

    counts = [heard()]
    source.traces = [replace(trace, feedback=(says(True, 1e6 + n),)) for n, trace in enumerate(traces[:80])] + traces[
        80:
    ]
    counts += [heard(), heard()]
    source.traces[0] = replace(source.traces[0], feedback=(*source.traces[0].feedback, says(False, 2e6)))
    source.traces[150] = replace(source.traces[150], feedback=(says(False, 2e6 + 1),))
    counts += [heard(), heard()]
    assert counts == [0, 80, 80, 81, 81]


def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    source = Memory(answered(30, turned))
    opened(tmp_path, source).catch_up(source)
    with pytest.raises(OtherStateError, match="training prompts"):
        opened(tmp_path, source, replace(EXPECTED, answers=["card"] * 60))
    with pytest.raises(OtherStateError, match="another name"):
        StandingWatch(tmp_path, watched_model("run", source, "desk@2", EXPECTED), EXPECTED)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more", b"{}"])
def test_a_state_that_is_damaged_is_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / STATE).write_bytes(damage)
    with pytest.raises(RunFolderError, match="(?s)damaged.*begin anew"):
        opened(tmp_path, Memory([]))
