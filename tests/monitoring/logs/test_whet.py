"""What Whet writes of a trace it reads back as it was."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.logs import samples
from tests.monitoring.logs.samples import write_lines
from whet.monitoring.logs.contents.json_text import Unreadable
from whet.monitoring.logs.reading import read_log
from whet.monitoring.logs.whet import MARK, read_back, written
from whet.monitoring.trace import Feedback, Trace

FULL = Trace(
    id="resp-1",
    where="trace resp-1",
    at=1_790_000_000.1234567,
    model="tickets:3",
    workload="routing",
    client="ключ",
    conversation="talk-1",
    messages=[samples.SYSTEM, {"role": "user", "content": [{"type": "text", "text": "wo? \u2028 \0"}]}],
    tools=[samples.TOOL],
    answer="",
    tool_calls=[samples.CALL],
    finish_reason="stop",
    schema=samples.SCHEMA,
    valid=False,
    prompt_tokens=0,
    answer_tokens=6,
    seconds=0.1 + 0.2,
    first_token_seconds=0.0,
    error="Timeout",
    feedback=(Feedback(True, "", "x", "y", "z", 1_790_000_000.5), Feedback(good=False), Feedback()),
    version="run-3",
    fingerprint="f1",
    trial="trial-1",
    side="shadow",
    shadow_of="resp-0",
    usd=0.0021,
)


def test_a_trace_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    empty = Trace(id="a", where="b")
    assert all(getattr(FULL.feedback[0], part.name) is not None for part in fields(Feedback)), "all fields are tried"
    assert all(getattr(FULL, part.name) != getattr(empty, part.name) for part in fields(Trace)), "all fields are tried"
    log = read_log(
        write_lines(tmp_path / "a.jsonl", [written(FULL), written(FULL), written(empty) | {"at": 1_790_000_001}])
    )
    assert log.form == "whet"
    assert log.traces[0] == log.traces[1] == FULL
    assert read_back(json.loads(json.dumps(written(empty))), "c") == [empty]
    assert written(empty) == {MARK: 1, "id": "a", "where": "b"}


def test_traces_of_other_formats_go_through_whets_own(tmp_path: Path) -> None:
    traces = read_log(write_lines(tmp_path / "a", samples.phoenix())).traces
    assert read_log(write_lines(tmp_path / "b", [written(trace) for trace in traces])).traces == traces


def test_a_trace_without_a_place_has_that_in_the_file(tmp_path: Path) -> None:
    row = written(FULL)
    del row["where"]
    assert read_log(write_lines(tmp_path / "a.jsonl", [row])).traces[0].where == "a.jsonl:1"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({MARK: 2}, "a trace of the form 2, and this Whet reads 1"),
        ({"colour": "red"}, "the key 'colour', which no trace has"),
        ({"at": "now"}, "at is str"),
        ({"answer_tokens": 1.5}, "answer_tokens is float"),
        ({"messages": ["x"]}, "messages is list"),
        ({"valid": 1}, "valid is int"),
        ({"feedback": [{"good": "yes"}]}, "good is str"),
        ({"feedback": {}}, "feedback is no list"),
    ],
)
def test_what_this_version_did_not_write_is_not_read(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_back(written(FULL) | change, "a.jsonl:1")
