"""What is written down of each answer, by every path that answers, and how clients reach it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError

from tests.server.serving import served
from tests.server.traces.conftest import HARM, MOOD, Asked
from whet.monitoring.logs.whet import read_back
from whet.server.traces.opening import open_traces

DESK = {"role": "system", "content": "You answer for a shop."}
QUESTION: list[Any] = [DESK, {"role": "user", "content": "Write to anna@example.com about my order."}]
REDACTED = [DESK, {"role": "user", "content": "Write to [EMAIL] about my order."}]
SCHEMA = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"], "additionalProperties": False}
FORM: Any = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}


@pytest.mark.parametrize("streamed", [False, True])
def test_a_chat_is_written_down_with_its_numbers_and_redacted_texts(asked: Asked, streamed: bool) -> None:
    given: Any = {"model": "gpt-4o-mini", "messages": QUESTION, "max_tokens": 9, "temperature": 0, "user": "u-17"}
    completions = asked.client().chat.completions
    if streamed:
        chunks = list(completions.create(**given, stream=True, stream_options={"include_usage": True}))
        name, usage, fingerprint = chunks[0].id, chunks[-1].usage, chunks[0].system_fingerprint
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    else:
        whole = completions.create(**given)
        name, usage, fingerprint = whole.id, whole.usage, whole.system_fingerprint
        said = whole.choices[0].message.content or ""

    trace = asked.trace(name)
    assert trace["messages"] == REDACTED and trace["answer"] == said and said
    assert (trace["model"], trace["version"], trace["fingerprint"]) == ("gpt-4o-mini", "nano", fingerprint)
    assert usage and trace["prompt_tokens"] == usage.prompt_tokens and trace["answer_tokens"] == usage.completion_tokens
    assert trace["finish_reason"] == "length" and trace["error"] is None and trace["valid"] is None
    assert 0 < trace["first_token_seconds"] <= trace["seconds"]
    assert trace["client"] == "u-17" and trace["workload"].startswith("system-") and trace["object"] == "trace"


def test_names_of_uses_and_of_users_come_from_the_request(asked: Asked) -> None:
    given: Any = {"model": "nano", "messages": QUESTION, "max_tokens": 2}
    create = asked.client().chat.completions.create
    metadata = {"workload": "returns", "conversation": "c-1"}
    told = asked.trace(create(**given, metadata=metadata, safety_identifier="s-1", user="u-1").id)
    assert (told["workload"], told["conversation"], told["client"]) == ("returns", "c-1", "s-1")

    named = create(**given, metadata=metadata, user="anna@example.com", extra_headers={"X-Whet-Workload": "header"})
    trace = asked.trace(named.id)
    assert trace["workload"] == "header" and trace["client"].startswith("hashed-")

    odd = asked.send("POST", "/chat/completions", json=given | {"metadata": [1], "user": {"a": 1}})
    assert asked.trace(odd.json()["id"])["client"] is None
    plain = create(**given | {"messages": QUESTION[1:]})
    assert asked.trace(plain.id)["workload"] is None
    same, other = (create(**given | {"messages": [{"role": "system", "content": text}, QUESTION[1]]}) for text in "xy")
    assert asked.trace(same.id)["workload"] != asked.trace(other.id)["workload"]


def test_each_of_several_answers_is_a_trace(asked: Asked) -> None:
    whole = asked.client().chat.completions.create(model="nano", messages=QUESTION, max_tokens=3, n=3)
    said = [asked.trace(name)["answer"] for name in (whole.id, f"{whole.id}-1", f"{whole.id}-2")]
    assert said == [choice.message.content for choice in whole.choices]

    texts = asked.client().completions.create(model="nano", prompt=["One", "Two"], n=2, max_tokens=3)
    traces = [asked.trace(name) for name in (texts.id, *(f"{texts.id}-{number}" for number in (1, 2, 3)))]
    assert [trace["messages"][0]["content"] for trace in traces] == ["One", "One", "Two", "Two"]
    assert [trace["answer"] for trace in traces] == [choice.text for choice in texts.choices]


def test_responses_and_classes_are_traces_too(asked: Asked) -> None:
    made = asked.client().responses.create(model="nano", instructions="Be short.", input="Hello", max_output_tokens=4)
    trace = asked.trace(made.id)
    assert trace["answer"] == made.output_text and [one["role"] for one in trace["messages"]] == ["system", "user"]

    body: Any = {"model": MOOD, "input": ["I like it", "Call me at anna@example.com"]}
    classes = asked.send("POST", "/classify", json=body).json()
    first, second = asked.trace(classes["id"]), asked.trace(classes["id"] + "-1")
    assert [first["answer"], second["answer"]] == [one["label"] for one in classes["data"]]
    assert second["messages"][0]["content"] == "Call me at [EMAIL]" and second["finish_reason"] == "stop"
    assert first["prompt_tokens"] + second["prompt_tokens"] == classes["usage"]["prompt_tokens"]
    assert first["model"] == MOOD and first["fingerprint"].startswith("fp_")

    judged = asked.send("POST", "/moderations", json={"model": HARM, "input": "I like it"}).json()
    held = [name for name, flag in judged["results"][0]["categories"].items() if flag]
    said = asked.trace(judged["id"])["answer"]
    assert ([said] if len(held) == 1 else json.loads(said)) == held


def test_whether_an_answer_kept_its_schema(asked: Asked) -> None:
    given: Any = {"model": "nano", "messages": QUESTION, "response_format": FORM, "temperature": 0}
    create = asked.client().chat.completions.create
    whole = asked.trace(create(**given, max_tokens=60).id)
    assert whole["finish_reason"] == "stop" and whole["valid"] is True and whole["schema"] == SCHEMA
    cut = asked.trace(create(**given, max_tokens=2).id)
    assert cut["finish_reason"] == "length" and cut["valid"] is False


def test_a_call_of_a_tool_is_kept_with_the_tools(asked: Asked) -> None:
    parameters = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    tools: Any = [{"type": "function", "function": {"name": "look_up", "parameters": parameters}}]
    given: Any = {"model": "nano", "messages": QUESTION, "tools": tools, "tool_choice": "required", "max_tokens": 200}
    whole = asked.client().chat.completions.create(**given, temperature=0)
    trace = asked.trace(whole.id)
    assert trace["finish_reason"] == whole.choices[0].finish_reason == "tool_calls" and trace["tools"] == tools
    assert trace["tool_calls"][0]["function"]["name"] == "look_up"


def test_a_request_that_fails_is_a_trace_with_the_kind_of_its_error_and_no_texts(asked: Asked) -> None:
    before = len(asked.send("GET", "/traces?limit=100").json()["data"])
    with pytest.raises(BadRequestError):
        long: Any = [{"role": "user", "content": "heron " * 5000}]
        asked.client().chat.completions.create(model="nano", messages=long)
    listed = asked.send("GET", "/traces?limit=100").json()["data"]
    assert len(listed) == min(100, before + 1)
    assert listed[0]["error"] == "context_length_exceeded" and listed[0]["finish_reason"] is None
    assert listed[0]["messages"] == [] and listed[0]["answer"] is None


def test_an_answer_that_nobody_waited_for_is_marked(asked: Asked) -> None:
    hosts = asked.served.service.answering.hosts
    endless = {str(token): -100 for token in hosts.wordings.of_base("nano").stop_ids}
    given: Any = {"model": "nano", "messages": QUESTION, "max_tokens": 400, "logit_bias": endless}
    stream = asked.client().chat.completions.create(**given, stream=True)
    name = next(iter(stream)).id
    stream.close()
    host = next(iter(hosts.held.values()))
    while not host.idle:  # it is noticed at the next token
        asked.send("GET", "/models")
    trace = asked.trace(name)
    assert trace["error"] == "aborted" and trace["finish_reason"] is None and trace["answer"] is None


def test_a_list_is_filtered_and_paged_and_an_export_is_read_back(asked: Asked) -> None:
    create = asked.client().chat.completions.create
    given: Any = {"model": "nano", "messages": QUESTION, "max_tokens": 1, "metadata": {"workload": "paged"}}
    made = [create(**given, user=f"p-{number}").id for number in range(5)]
    assert asked.send("POST", "/feedback", json={"id": made[2], "thumb": "down"}).status_code == 200

    def listed(**query: Any) -> list[str]:
        answer = asked.send("GET", "/traces", params={"workload": "paged"} | query)
        assert answer.status_code == 200, answer.text
        return [trace["id"] for trace in answer.json()["data"]]

    assert listed() == made[::-1] and listed(order="asc", limit=2) == made[:2]
    assert listed(after=made[3]) == made[2::-1] and listed(client="p-4") == [made[4]]
    assert listed(with_feedback=True) == [made[2]] and made[2] not in listed(with_feedback=False)
    assert listed(model="desk") == [] and listed(model="nano") == made[::-1]
    at = asked.trace(made[2])["at"]
    assert listed(since=at) == made[:1:-1] and listed(until=at) == made[1::-1]
    assert asked.send("GET", "/traces?after=nobodys").status_code == 400

    lines = asked.send("GET", "/traces/export?workload=paged").text.splitlines()
    traces = [trace for line in lines for trace in read_back(json.loads(line), "")]
    assert [trace.id for trace in traces] == made
    assert traces == list(open_traces(asked.served.service.settings.home, workload="paged"))


def test_feedback_over_http(asked: Asked) -> None:
    name = asked.client().chat.completions.create(model="nano", messages=QUESTION, max_tokens=1).id
    said = {"id": name, "good": False, "corrected": "At nine.", "label": "hours", "by": "desk", "key": "k-http"}
    first, again = (asked.send("POST", "/feedback", json=said) for _ in range(2))
    assert first.status_code == 200 and first.json() == again.json() and first.json()["trace"] == name
    assert asked.send("POST", "/feedback", json={"id": name, "thumb": "up"}).json()["good"] is True
    assert [one["good"] for one in asked.trace(name)["feedback"]] == [False, True]

    wrong: list[tuple[int, dict[str, Any]]] = [
        (404, {"id": "chatcmpl-nobodys", "good": True}),
        (400, {"id": name}),
        (400, {"id": name, "good": True, "thumb": "down"}),
        (400, {"id": name, "comment": "a\x00b"}),
        (400, {"id": name, "coment": "x"}),
    ]
    for status, body in wrong:
        assert asked.send("POST", "/feedback", json=body).status_code == status, body


def test_who_may_read_and_erase(asked: Asked) -> None:
    create = asked.client().chat.completions.create
    name = create(model="nano", messages=QUESTION, max_tokens=1, user="mia@example.com").id
    theirs = asked.client(asked.other_key).chat.completions.create(
        model="nano", messages=QUESTION, max_tokens=1, user="mia@example.com"
    )
    assert asked.send("GET", f"/traces/{name}", key=asked.other_key).status_code == 404
    assert asked.send("POST", "/feedback", key=asked.other_key, json={"id": name, "good": True}).status_code == 404
    _, asking = asked.served.service.keys.create("app", "default", ["infer"])
    for path in ("/traces", f"/traces/{name}", "/traces/export"):
        assert asked.send("GET", path, key=asking).status_code == 403
    assert asked.send("DELETE", "/traces?client=mia@example.com").status_code == 403

    gone = asked.send("DELETE", "/traces?client=mia@example.com", key=asked.admin).json()
    assert (gone["traces"], gone["feedback"]) == (1, 0)
    assert asked.send("GET", f"/traces/{name}").status_code == 404
    assert asked.send("GET", f"/traces/{theirs.id}", key=asked.other_key).status_code == 200


def test_nothing_personal_is_in_the_database_or_the_log(asked: Asked, caplog: pytest.LogCaptureFixture) -> None:
    given: Any = {"model": "nano", "messages": QUESTION, "max_tokens": 1, "user": "anna@example.com"}
    with caplog.at_level(logging.DEBUG, "whet"):
        asked.client().chat.completions.create(**given)
        asked.send("GET", "/traces")
    for file in asked.served.service.settings.home.glob("whet.sqlite*"):
        assert b"anna@example.com" not in file.read_bytes()
    logged = [line.getMessage() for line in caplog.records if line.name.startswith("whet")]
    assert not any("about my order" in line for line in logged)


@pytest.mark.parametrize("mode", ["counts", "off"])
def test_without_being_asked_no_text_is_kept(tmp_path: Path, mode: str) -> None:
    with served(tmp_path, traces=mode) as opened:
        given: Any = {"model": "nano", "messages": QUESTION, "max_tokens": 40, "response_format": FORM}
        name = opened.client().chat.completions.create(**given).id
        opened.service.tracing.flush()
        found = list(open_traces(tmp_path))
        texts = b"".join(file.read_bytes() for file in tmp_path.glob("whet.sqlite*"))
    assert b"about my order" not in texts and b"answer for a shop" not in texts
    if mode == "off":
        assert not found
    else:
        (trace,) = found
        assert trace.id == name and trace.valid and trace.answer is None and not trace.messages and not trace.schema
        assert trace.workload and trace.answer_tokens
