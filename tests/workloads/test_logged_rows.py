"""Requests as rows: what is left out and why, whose answer is learned, what may not be written."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from tests.workloads.made_logs import log_of, made
from whet.monitoring.trace import Feedback, Trace
from whet.workloads import logged_rows as reasons
from whet.workloads.logged_rows import LoggedRows, logged_rows, sampled
from whet.workloads.workload import find_workloads


def rows_of(traces: list[Trace]) -> LoggedRows:
    (workload,) = find_workloads(traces)
    return logged_rows(workload)


@pytest.mark.parametrize(
    "facts, why",
    [
        ({"error": "RateLimitError", "answer": None}, reasons.FAILED),
        ({"finish_reason": "length"}, reasons.CUT),
        ({"answer": "I'm sorry, but I can't help with that."}, reasons.REFUSED),
        ({"finish_reason": "content_filter"}, reasons.REFUSED),
        ({"answer": " "}, reasons.EMPTY),
        ({"answer": None}, reasons.EMPTY),
        ({"messages": []}, reasons.NOT_KEPT),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}, {"text": "what?"}]}]}, reasons.NOT_TEXT),
        ({"at": None}, reasons.NO_TIME),
        ({"feedback": (Feedback(good=False),)}, reasons.BAD),
        ({"feedback": (Feedback(good=False), Feedback(good=True))}, reasons.DISAGREE),
        ({"feedback": (Feedback(corrected="red"), Feedback(corrected="blue"))}, reasons.DISAGREE),
    ],
)
def test_what_cannot_be_learned_is_left_out_and_counted(facts: dict[str, Any], why: str) -> None:
    good, bad = made(0, "one two", "red"), replace(made(1, "three four", "blue"), **facts)
    kept, left = [good.id], {}
    for workload in find_workloads([good, bad]):
        found = logged_rows(workload)
        kept = [row.trace for row in found.rows] or kept
        left |= {reason: number for reason, number in found.left_out.items() if number}
    if why == reasons.NO_TIME:
        assert (kept, left) == (["t0"], {why: 1})
    else:
        assert "t1" not in kept and left == {why: 1}


def test_what_people_corrected_takes_the_place_of_the_answer_and_of_older_ones() -> None:
    asked = [made(0, "one two", "red"), made(1, "one two", "red", feedback=(Feedback(corrected="Blue"),))]
    asked += [made(2, "one two", "red"), made(3, "one three", "red", finish_reason="length")]
    asked[3] = replace(asked[3], feedback=(Feedback(corrected="green"),))
    found = rows_of(asked)
    assert [(row.trace, row.messages[-1]["content"], row.corrected) for row in found.rows] == [
        ("t1", "Blue", True),
        ("t3", "green", True),
    ]


def test_nothing_personal_and_no_secret_is_written() -> None:
    tool = {"type": "function", "function": {"name": "mail", "description": "Mails boss@example.org."}}
    call = {"id": "c", "type": "function", "function": {"name": "mail", "arguments": '{"to": "eve@example.org"}'}}
    asked = "My card is 4111 1111 1111 1111, the key sk-proj-" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY" * 2
    trace = made(0, asked, "Write to anna@example.org.", "For max@example.org", tools=[tool], tool_calls=[call])
    text = json.dumps([row.written() for row in rows_of([trace]).rows])
    assert "@example.org" not in text and "4111" not in text and "aB3dE5" not in text
    assert text.count("[EMAIL]") == 4 and "[CARD]" in text and "[SECRET]" in text


def test_an_answer_that_came_twice_is_one_row_and_another_answer_is_shown() -> None:
    found = rows_of([made(0, "One two", "red"), made(1, "one two", "Red."), made(2, "one  two", "blue")])
    assert [row.trace for row in found.rows] == ["t1", "t2"] and found.left_out[reasons.REPEATED] == 1
    assert found.contradicted == 1 and found.contradictions[0]["answers"] == ["red", "Red.", "blue"]
    assert found.repeated == 1 and found.same_answer == pytest.approx(1 / 3)


def test_a_date_in_the_system_prompt_does_not_make_it_another_question() -> None:
    found = rows_of([made(n, "one two", "red", f"Today is 2026-11-{n + 10}.") for n in range(3)])
    assert len(found.rows) == 1 and found.same_answer == 1.0


def test_of_a_conversation_the_longest_request_teaches_all_its_answers() -> None:
    first = made(0, "one two", "red")
    longer = [*first.messages, {"role": "assistant", "content": "red"}, {"role": "user", "content": "and then?"}]
    other = [*first.messages, {"role": "assistant", "content": "no"}, {"role": "user", "content": "and then?"}]
    then, elsewhere = replace(made(1, "", "blue"), messages=longer), replace(made(2, "", "blue"), messages=other)
    found = rows_of([first, then, elsewhere])
    assert [row.trace for row in found.rows] == ["t1", "t2"] and found.left_out[reasons.LONGER] == 1


def test_rows_come_in_the_order_of_time_whatever_that_of_the_log() -> None:
    asked = log_of(["red", "blue", "green"] * 20)
    mixed = random.Random(0).sample(asked, len(asked))
    assert [row.trace for row in rows_of(mixed).rows] == [trace.id for trace in asked]
    untimed = [replace(trace, at=None) for trace in mixed]
    found = rows_of(untimed)
    assert not found.timed and [row.trace for row in found.rows] == [trace.id for trace in mixed]


def test_a_sample_hangs_on_the_rows_alone() -> None:
    asked = log_of(["red", "blue", "green"] * 20)
    first, second = rows_of(asked), rows_of(asked[30:] + asked[:30])
    sampled(first, 25)
    sampled(second, 25)
    assert len(first.rows) == 25 and [row.trace for row in first.rows] == [row.trace for row in second.rows]
    assert first.left_out[reasons.BEYOND] == 35
    assert len({int(row.trace[1:]) // 20 for row in first.rows}) == 3, "of the whole time"


def test_workloads_are_told_apart_by_tools_and_by_the_log_where_there_is_no_system_prompt() -> None:
    tool = {"type": "function", "function": {"name": "lookup", "parameters": {}}}
    asked = [made(0, "a b", "c"), made(1, "a b", "c", tools=[tool]), made(2, "a", "b", "", workload="x")]
    asked += [made(3, "a", "b", "", workload="y"), made(4, "a", "c", "", workload="y")]
    found = find_workloads(asked)
    assert [len(workload.traces) for workload in found] == [2, 1, 1, 1]
    assert found[0].label == "y" and {tuple(workload.tools) for workload in found} == {(), ("lookup",)}
    again = {workload.id for workload in find_workloads(asked[::-1])}
    assert again == {workload.id for workload in found} and len(again) == 4
