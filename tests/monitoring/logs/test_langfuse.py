"""Langfuse's rows, as its storage export and as its API write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.logs import samples
from tests.monitoring.logs.samples import QUESTION, SYSTEM, write_lines
from whet.monitoring.logs.reading import read_log
from whet.monitoring.trace import Feedback, Trace

NESTED = {
    "id": "trace-1",
    "timestamp": "2026-09-21T14:13:19.000Z",
    "name": "routing",
    "userId": "u-1",
    "sessionId": "talk-1",
    "release": None,
    "public": False,
    "input": {"question": "Where?"},
    "output": "shipping",
    "scores": [
        {
            "name": "thumb",
            "source": "ANNOTATION",
            "dataType": "BOOLEAN",
            "value": 1,
            "traceId": "trace-1",
            "authorUserId": "ada",
        },
        {
            "name": "thumb",
            "source": "API",
            "dataType": "NUMERIC",
            "value": 0,
            "traceId": "trace-1",
            "observationId": "other",
        },
    ],
}
OBSERVATION = {
    "id": "obs-1",
    "traceId": "trace-1",
    "type": "GENERATION",
    "startTime": "2026-09-21T14:13:20.000Z",
    "endTime": "2026-09-21T14:13:21.000Z",
    "model": "tickets",
    "usage": {"input": 31, "output": 6, "unit": "TOKENS"},
    "input": [SYSTEM, QUESTION],
    "output": samples.completion(content="shipping"),
    "level": "DEFAULT",
}


def traces(path: Path, *rows: dict[str, Any]) -> list[Trace]:
    return read_log(write_lines(path, list(rows))).traces


def test_people_are_heard_and_models_that_judge_are_not(tmp_path: Path) -> None:
    first = traces(tmp_path / "a", *samples.langfuse())[0]
    assert first.feedback[0] == Feedback(good=False, comment="wrong team")
    assert first.feedback[1].corrected == '{"team": "returns"}'
    assert len(first.feedback) == 2


def test_scores_may_stand_before_the_request(tmp_path: Path) -> None:
    rows = samples.langfuse()
    rows[4]["timestamp"] = "2026-09-21 14:13:20.000000"
    feedback = Feedback(good=False, comment="wrong team", at=samples.BEGIN)
    assert traces(tmp_path / "b", rows[4], rows[1])[0].feedback == (feedback,)


def test_a_trace_with_its_observations(tmp_path: Path) -> None:
    span = OBSERVATION | {"type": "SPAN", "id": "obs-0"}
    (trace,) = traces(tmp_path / "a", NESTED | {"observations": [span, OBSERVATION]})
    assert (trace.id, trace.where) == ("obs-1", "a:1, observation 2")
    assert (trace.workload, trace.client, trace.conversation) == ("routing", "u-1", "talk-1")
    assert (trace.messages, trace.answer, trace.finish_reason) == ([SYSTEM, QUESTION], "shipping", "stop")
    assert (trace.prompt_tokens, trace.answer_tokens, trace.seconds) == (31, 6, 1.0)
    assert trace.feedback == (Feedback(good=True, by="ada"),)


@pytest.mark.parametrize(
    "told",
    [{"costDetails": {"input": 0.1, "total": 0.25}}, {"calculatedTotalCost": 0.25}, {"totalCost": "0.25"}],
)
def test_what_a_request_cost(told: dict[str, Any], tmp_path: Path) -> None:
    assert traces(tmp_path / "a", OBSERVATION | told)[0].usd == 0.25
    assert traces(tmp_path / "b", OBSERVATION)[0].usd is None


def test_a_trace_stands_for_a_request_only_where_nothing_was_observed(tmp_path: Path) -> None:
    (trace,) = traces(tmp_path / "a", NESTED | {"observations": ["obs-1"]})
    assert (trace.id, trace.answer, json.loads(trace.asked)) == ("trace-1", "shipping", {"question": "Where?"})

    (trace,) = traces(tmp_path / "a", NESTED, OBSERVATION)
    assert (trace.id, trace.client, trace.conversation, trace.workload) == ("obs-1", "u-1", "talk-1", "routing")


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("plain words", "plain words"),
        ({"role": "assistant", "content": "words"}, "words"),
        ([{"role": "assistant", "content": "words"}], "words"),
        ({"completion": "words"}, "words"),
        ({"team": "shipping"}, '{"team": "shipping"}'),
        (json.dumps({"role": "assistant", "content": "words"}), "words"),
        ("", None),
        (None, None),
    ],
)
def test_outputs(output: Any, answer: str | None, tmp_path: Path) -> None:
    (trace,) = traces(tmp_path / "a", OBSERVATION | {"output": output})
    assert trace.answer == answer


def test_langchains_words(tmp_path: Path) -> None:
    asked = [
        [
            {"type": "system", "content": "You route tickets."},
            {"type": "human", "data": {"content": "Where is order 7?"}},
        ]
    ]
    (trace,) = traces(tmp_path / "a", OBSERVATION | {"input": asked})
    assert trace.messages == [SYSTEM, QUESTION]


def test_tools_of_the_storage_export(tmp_path: Path) -> None:
    tools = {"find_order": json.dumps({"description": "", "parameters": {"type": "object"}})}
    (trace,) = traces(tmp_path / "a", samples.langfuse()[1] | {"tool_definitions": tools})
    assert trace.tools == [samples.TOOL]
