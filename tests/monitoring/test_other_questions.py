"""Form, feedback, scores and times: what changed is told, what did not raises nothing, and one cause is one alarm."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest

from tests.monitoring.test_drift import asked, desk, kitchen
from whet.monitoring.alarm import written_time
from whet.monitoring.expected import Expected
from whet.monitoring.looking import look_at
from whet.monitoring.memory.arrival import arrivals
from whet.monitoring.memory.versions import Versions
from whet.monitoring.questions import feedback, form, scores, speed
from whet.monitoring.questions.versions import version_begun
from whet.monitoring.trace import Feedback, Trace
from whet.monitoring.watches.form import FormScores
from whet.monitoring.watches.speed import measures_of

LABELS = ("card", "transfer", "top-up")
SURE = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def answers(said: list[str], **facts: object) -> list[Trace]:
    return [replace(trace, answer=text) for trace, text in zip(asked(["?"] * len(said), **facts), said, strict=True)]


def labels(rows: int, wrong: float = 0.0, begin: int = 0, seed: int = 0) -> list[str]:
    random = Random(seed)
    return ["Well, hm." if n >= begin and random.random() < wrong else random.choice(LABELS) for n in range(rows)]


@pytest.fixture(scope="module")
def expected() -> Expected:
    return Expected((), LABELS, "accuracy", labels(100), [1.0] * 90 + [0.0] * 10)


def test_answers_that_keep_their_form_raise_nothing(expected: Expected) -> None:
    assert form.look(answers(labels(800, seed=1)), expected, 0.05).alarm is None


def test_answers_out_of_form_are_an_alarm(expected: Expected) -> None:
    seen = form.look(answers(labels(600, 0.2, begin=300)), expected, 0.05)
    assert seen.alarm is not None
    assert 280 <= seen.alarm.first <= 330
    assert seen.alarm.rate["invalid"]["reference"] == 0.0
    assert {example["answer"] for example in seen.alarm.examples} == {"Well, hm."}
    assert "do not keep the form" in seen.alarm.sentence


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"answer": "I'm sorry, but I can't help with that."}, "refuses"),
        ({"answer": "again and again " * 4}, "repeats"),
        ({"answer": "it is so it is so it is so it is so"}, "repeats"),
        ({"answer": "[1"}, "invalid"),
        ({"answer": "  "}, "empty"),
        ({"answer": "card", "finish_reason": "length"}, "cut off"),
        ({"answer": "card", "error": "timeout"}, "failed"),
        ({"answer": '{"n": "x"}', "schema": SURE}, "invalid"),
        ({"answer": "{n: 1}", "schema": SURE}, "invalid"),
        ({"answer": "card", "valid": False}, "invalid"),
        ({"answer": "Perhaps."}, "invalid"),
    ],
)
def test_each_fault_is_told(expected: Expected, facts: dict[str, object], fault: str) -> None:
    told = FormScores(expected).of(replace(Trace("a", "a"), **facts))  # type: ignore[arg-type]
    assert told[fault] == 1.0


def test_a_sound_answer_has_no_fault(expected: Expected) -> None:
    told = FormScores(expected).of(Trace("a", "a", answer="transfer", finish_reason="stop"))
    assert {name for name, score in told.items() if score} <= {"length"}
    kept = FormScores(expected).of(Trace("a", "a", answer='{"n": 3}', schema=SURE))
    assert kept["invalid"] == 0.0


def test_a_schema_that_is_not_known_whole_is_not_half_obeyed(expected: Expected) -> None:
    told = FormScores(Expected()).of(Trace("a", "a", answer="{}", schema={"$ref": "#/x"}))
    assert "invalid" not in told


def test_requests_that_begin_to_fail_are_held_to_the_first_ones(expected: Expected) -> None:
    random = Random(0)
    traces = [replace(t, error="overloaded" if n > 300 and random.random() < 0.3 else None) for n, t in _numbered(500)]
    alarm = form.look(traces, Expected(), 0.05).alarm
    assert alarm is not None and "requests fail" in alarm.sentence.lower()


def test_counts_without_content_are_enough_for_what_they_tell() -> None:
    traces = [Trace(str(n), str(n), finish_reason="length" if n > 250 and n % 3 == 0 else "stop") for n in range(500)]
    alarm = form.look(traces, Expected(), 0.05).alarm
    assert alarm is not None and alarm.evidence["score"] == "cut off"


def test_thumbs_that_turn_are_an_alarm() -> None:
    random = Random(1)
    traces = [_thumb(t, random.random() < (0.4 if n >= 300 else 0.1)) for n, t in _numbered(600)]
    alarm = feedback.look(traces, Expected(), 0.05).alarm
    assert alarm is not None and 270 <= alarm.first <= 340 and alarm.suggestion == "retrain"
    steady = [_thumb(t, random.random() < 0.2) for _, t in _numbered(600)]
    assert feedback.look(steady, Expected(), 0.05).alarm is None


def test_people_who_disagree_are_shown_and_not_averaged_away() -> None:
    both = (Feedback(good=True, by="a"), Feedback(good=False, by="b"))
    seen = feedback.look([replace(asked(["?"])[0], answer="x", feedback=both)], Expected(), 0.05)
    assert seen.facts["disagree"] == ["t0"]
    assert "cannot be told yet" in seen.sentence


def test_a_correction_that_changes_nothing_is_content() -> None:
    same = replace(asked(["?"])[0], answer="Card.", feedback=(Feedback(corrected="card"),))
    other = replace(same, feedback=(Feedback(corrected="transfer"),))
    shares = [feedback.look([one], Expected(), 0.05).facts["versions"][0]["bad"] for one in (same, other)]
    assert shares == [0.0, 1.0]


def test_scores_below_those_of_the_test_rows_are_an_alarm(expected: Expected) -> None:
    random = Random(2)
    traces = [_labelled(t, random.random() < (0.9 if n < 200 else 0.5)) for n, t in _numbered(400)]
    alarm = scores.look(traces, expected, 0.05).alarm
    assert alarm is not None and alarm.rate["live"] < 0.7 and alarm.rate["tested"] == 0.9
    steady = [_labelled(t, random.random() < 0.9) for _, t in _numbered(400)]
    seen = scores.look(steady, expected, 0.05)
    assert seen.alarm is None and "what its test rows gave" in seen.sentence


def test_few_labels_cannot_tell(expected: Expected) -> None:
    seen = scores.look([_labelled(t, False) for _, t in _numbered(2)], expected, 0.05)
    assert seen.alarm is None and "too little" in seen.sentence


def test_slower_answers_are_an_alarm_that_no_tune_helps() -> None:
    random = Random(3)
    traces = [
        replace(t, seconds=(2 if n >= 700 else 1) * random.lognormvariate(0, 0.4), answer_tokens=20)
        for n, t in _numbered(1200)
    ]
    alarm = speed.look(traces, Expected(), 0.05).alarm
    assert alarm is not None and 640 <= alarm.first <= 760 and alarm.suggestion == "nothing"
    assert alarm.rate["after"]["answer"]["p50"] > 1.7 * alarm.rate["before"]["answer"]["p50"]
    assert speed.look(traces[:700], Expected(), 0.05).alarm is None


def test_a_change_that_began_with_a_version_is_rolled_back(expected: Expected) -> None:
    traces = [
        replace(t, model="desk@2" if n >= 300 else "desk@1") for n, t in enumerate(answers(labels(600, 0.3, begin=300)))
    ]
    alarm = form.look(traces, expected, 0.05).alarm
    assert alarm is not None and alarm.suggestion == "roll back" and "desk@2" in alarm.reason
    versions = Versions()
    for arrived in arrivals(traces):
        versions.take(arrived)
    assert version_begun(versions, 300) == "desk@2" and version_begun(versions, 100) is None


def test_one_cause_is_one_alarm() -> None:
    """New prompts that are answered out of form: the form alarm is a part of the drift."""
    expected = Expected(desk(300, seed=9), LABELS, "accuracy", labels(100))
    random, new = Random(4), kitchen(500)
    texts = [new[n] if n >= 200 and random.random() < 0.3 else text for n, text in enumerate(desk(500, seed=3))]
    traces = [replace(t, answer="Well, hm." if "fridge" in t.asked else random.choice(LABELS)) for t in asked(texts)]
    alarms = look_at(traces, expected).alarms
    assert [alarm.question for alarm in alarms] == ["drift"]
    assert [other["question"] for other in alarms[0].also] == ["form"]


def test_two_causes_are_two_alarms() -> None:
    expected = Expected(desk(300, seed=9), LABELS, "accuracy", labels(100))
    random, new = Random(4), kitchen(500)
    texts = [new[n] if n >= 200 and random.random() < 0.3 else text for n, text in enumerate(desk(500, seed=3))]
    traces = [replace(t, answer="Well, hm." if random.random() < 0.3 else random.choice(LABELS)) for t in asked(texts)]
    assert {alarm.question for alarm in look_at(traces, expected).alarms} == {"drift", "form"}


def test_ordinary_texts_are_no_loops() -> None:
    for text in ("0 0 0 0 0 0", "yes yes yes yes", "| - | - | - | - |", "a b c"):
        assert FormScores(Expected()).of(Trace("a", "a", answer=text))["repeats"] == 0.0


def test_a_label_that_is_none_of_the_models_own_is_no_right_answer(expected: Expected) -> None:
    traces = [replace(t, feedback=(Feedback(label="relevance: 0.83"),)) for _, t in _numbered(150)]
    assert not scores.look(traces, expected, 0.05).watched
    assert not feedback.look(traces, expected, 0.05).watched


def test_corrections_alone_do_not_say_how_it_scores(expected: Expected) -> None:
    """Half of what is wrong is corrected, and nothing has changed."""
    random = Random(6)
    traces = [
        replace(t, feedback=(Feedback(corrected="transfer"),) if random.random() < 0.05 else ())
        for _, t in _numbered(1500)
    ]
    assert scores.look(traces, expected, 0.05).alarm is None


def test_one_conversation_counts_once() -> None:
    """A tenth of the conversations is bad as a whole, each of ten turns."""
    random = Random(7)
    traces = []
    for n in range(120):
        bad = random.random() < 0.1
        turns = answers(["card"] * 10, conversation=f"c{n}")
        traces += [_thumb(replace(t, id=f"{n}-{t.id}"), bad) for t in turns]
    assert feedback.look(traces, Expected(), 0.05).alarm is None
    assert feedback.look(traces, Expected(), 0.05).traces == 120


def test_a_record_that_came_twice_is_one() -> None:
    traces = answers(["card"] * 150)
    assert (
        look_at([*traces, *traces], Expected()).seen["form"].traces == look_at(traces, Expected()).seen["form"].traces
    )


@pytest.mark.parametrize("schema", [{"pattern": r"^\p{L}+$"}, {"multipleOf": 0}, {"required": 3}, {"properties": []}])
def test_a_schema_that_cannot_be_followed_ends_nothing(schema: dict[str, object]) -> None:
    given = {"type": "object"} if "pattern" not in schema else {}
    for answer in ('{"n": 1}', '"x"', "7"):
        FormScores(Expected()).of(Trace("a", "a", answer=answer, schema=given | schema))
    assert FormScores(Expected()).of(Trace("a", "a", answer="no json", schema=given | schema))["invalid"] == 1.0


def test_times_that_are_none_are_not_counted() -> None:
    odd = [
        replace(t, seconds=value)
        for (_, t), value in zip(_numbered(3), (float("nan"), -1.0, float("inf")), strict=True)
    ]
    assert [measures_of(trace) for trace in odd] == [{}, {}, {}]
    assert written_time(float("nan")) is None and written_time(1e20) is None


def test_nothing_to_look_at_is_said_for_every_question() -> None:
    seen = look_at([Trace("a", "log:1")], Expected()).seen
    assert not any(one.watched for one in seen.values())
    assert all("not looked at" in one.sentence for one in seen.values())


def test_what_is_told_can_be_written_as_json(expected: Expected) -> None:
    alarm = form.look(answers(labels(600, 0.5, begin=300)), expected, 0.05).alarm
    assert alarm is not None
    json.dumps([alarm.since, alarm.evidence, alarm.rate, alarm.examples], allow_nan=False)


def _numbered(rows: int) -> list[tuple[int, Trace]]:
    return list(enumerate(answers(["card"] * rows)))


def _thumb(trace: Trace, bad: bool) -> Trace:
    return replace(trace, feedback=(Feedback(good=not bad),))


def _labelled(trace: Trace, right: bool) -> Trace:
    return replace(trace, feedback=(Feedback(label="card" if right else "transfer"),))
