"""What LiteLLM writes in its StandardLoggingPayload."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.monitoring.logs import samples
from whet.monitoring.logs.litellm import FORM
from whet.monitoring.trace import Trace


def trace_of(**changes: Any) -> Trace:
    payload = samples.litellm()[0] | changes
    assert FORM.knows(payload)
    (trace,) = FORM.read(payload, "a.jsonl:1")
    return trace


def test_who_asked_for_what() -> None:
    trace = trace_of()
    assert (trace.model, trace.workload, trace.client, trace.conversation) == ("tickets", "routing", "u-1", "talk-1")
    assert trace.version == "hosted_vllm/tickets-3"
    assert (trace_of(model_group=None).model, trace_of(model_group=None).version) == ("hosted_vllm/tickets-3", None)
    assert trace_of(end_user=None).client == "key-owner"
    assert trace_of(request_tags=["User-Agent: curl"]).workload is None


def test_the_first_token_is_that_of_a_stream_alone() -> None:
    assert trace_of().first_token_seconds == 0.25
    assert trace_of(stream=False).first_token_seconds is None


def test_content_that_was_not_to_be_kept_is_no_content() -> None:
    hidden = "redacted-by-litellm"
    trace = trace_of(messages=[{"role": "user", "content": hidden}], response={"text": hidden})
    assert (trace.messages, trace.answer, trace.asked) == ([], None, "")
    assert trace.answer_tokens == 6


def test_a_failed_request_counts_no_tokens() -> None:
    told = {"status": "failure", "response": None, "prompt_tokens": 0, "completion_tokens": 0}
    trace = trace_of(**told, error_str="litellm.Timeout: 600 s")
    assert (trace.error, trace.answer, trace.prompt_tokens, trace.answer_tokens) == ("Timeout", None, None, None)
    assert trace_of(**told).error == "error"


def test_what_a_request_cost_is_read_unless_it_failed() -> None:
    assert trace_of().usd == 0.0001
    assert trace_of(response_cost=-1).usd is None and trace_of(status="failure", response={}).usd is None


@pytest.mark.parametrize("kind", ["aembedding", "aimage_generation", "arerank", "amoderation", "atranscription"])
def test_requests_that_ask_for_no_words_are_left_out(kind: str) -> None:
    assert FORM.read(samples.litellm()[0] | {"call_type": kind}, "a.jsonl:1") == []


@pytest.mark.parametrize("kind", ["completion", "atext_completion", "aresponses", "anthropic_messages"])
def test_requests_that_ask_for_words_are_read(kind: str) -> None:
    assert trace_of(call_type=kind).answer == samples.ANSWER


def test_the_arguments_of_a_callback_and_texts_of_json_are_read() -> None:
    payload = samples.litellm()[0]
    wrapped = {"kwargs": {}, "standard_logging_object": payload}
    assert FORM.knows(wrapped) and FORM.read(wrapped, "x")[0].answer == samples.ANSWER
    trace = trace_of(messages=json.dumps(payload["messages"]), response=json.dumps(payload["response"]))
    assert (trace.asked, trace.answer) == ("Where is order 7?", samples.ANSWER)
