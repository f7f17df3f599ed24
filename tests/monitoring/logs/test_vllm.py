"""vLLM's lines of requests and answers, of several versions, and in the wraps that containers put around them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.monitoring.logs import samples
from tests.monitoring.logs.samples import vllm_line
from whet.errors import DataError
from whet.monitoring.logs.contents.chat_markup import messages_of_prompt
from whet.monitoring.logs.reading import ReadLog, read_log
from whet.monitoring.trace import Trace

QUESTION = 'It\'s "late":\n where?'
RECEIVED = "Received request chatcmpl-a: prompt: {!r}, params: SamplingParams(n=1), lora_request: None."
ANSWERED = "Generated response chatcmpl-a: output: {!r}, output_token_ids: (4, 5), finish_reason: stop"
SYSTEM_AND_USER = [{"role": "system", "content": "Route."}, {"role": "user", "content": "Where is 7?"}]


def read(path: Path, *lines: str) -> ReadLog:
    path.write_text("".join(lines), encoding="utf-8")
    os.utime(path, (samples.BEGIN + 60, samples.BEGIN + 60))
    return read_log(path)


def line(words: str, second: int = 20) -> str:
    return vllm_line("INFO", second, words)


def only(log: ReadLog) -> Trace:
    (trace,) = log.traces
    return trace


def test_prompts_in_the_line_of_the_request(tmp_path: Path) -> None:
    trace = only(read(tmp_path / "a", line(RECEIVED.format(QUESTION)), line(ANSWERED.format("Gone: 'out'"), 22)))
    assert (trace.asked, trace.answer) == (QUESTION, "Gone: 'out'")
    assert (trace.seconds, trace.answer_tokens, trace.finish_reason) == (2.0, 2, "stop")


def test_what_a_person_wrote_is_taken_for_nothing_else(tmp_path: Path) -> None:
    tricks = "lora_name='mine', structured_outputs=S(json={'a': 1}), prompt_token_ids: [1, 2], finish_reason: length"
    trace = only(read(tmp_path / "a", line(RECEIVED.format(tricks)), line(ANSWERED.format(tricks), 22)))
    assert (trace.asked, trace.answer) == (tricks, tricks)
    assert (trace.model, trace.schema, trace.prompt_tokens) == (None, None, None)
    assert (trace.answer_tokens, trace.finish_reason) == (2, "stop")


def test_the_body_of_a_request_tells_the_most(tmp_path: Path) -> None:
    body = json.dumps(samples.request(response_format=samples.FORMAT, tools=[samples.TOOL], user="u-1"))
    received = "Received request chatcmpl-a: params: SamplingParams(n=1), lora_request: None."
    trace = only(read(tmp_path / "a", line(f"Request a JSON body: {body}"), line(received), line(ANSWERED.format("x"))))
    assert (trace.messages, trace.tools) == ([samples.SYSTEM, samples.QUESTION], [samples.TOOL])
    assert (trace.model, trace.client, trace.schema) == ("tickets", "u-1", samples.SCHEMA)

    trace = only(read(tmp_path / "a", line(f"Request a JSON body: {body[:50]}"), line(received)))
    assert (trace.messages, trace.id) == ([], "chatcmpl-a")


def test_docker_and_formatters_of_json(tmp_path: Path) -> None:
    lines = [line(RECEIVED.format(QUESTION)), line(ANSWERED.format("x"), 21)]
    docker = [
        json.dumps({"log": text, "stream": "stdout", "time": f"2026-09-21T14:13:2{n}.5Z"}) + "\n"
        for n, text in enumerate(lines)
    ]
    trace = only(read(tmp_path / "a", *docker))
    assert (trace.asked, trace.answer, trace.at, trace.seconds) == (QUESTION, "x", samples.BEGIN + 0.5, 1.0)

    kubernetes = [f"2026-09-21T14:13:2{n}.5Z stdout F {text}" for n, text in enumerate(lines)]
    assert only(read(tmp_path / "a", *kubernetes)).at == samples.BEGIN + 0.5


def test_text_completions_of_several_prompts(tmp_path: Path) -> None:
    received = [
        f"Received request cmpl-a-{n}: prompt: '{word}', params: SamplingParams(n=1), lora_request: None."
        for n, word in enumerate("xy")
    ]
    answered = [
        f"Generated response cmpl-a: output: '{word}', output_token_ids: None, finish_reason: length" for word in "XY"
    ]
    log = read(tmp_path / "a", *map(line, received), *map(line, answered))
    assert [(trace.asked, trace.answer) for trace in log.traces] == [("x", "X"), ("y", "Y")]


def test_answers_whose_requests_stand_in_an_older_file(tmp_path: Path) -> None:
    trace = only(read(tmp_path / "a", line(ANSWERED.format("x"))))
    assert (trace.messages, trace.answer, trace.at, trace.seconds) == ([], "x", samples.BEGIN, None)


def test_aborted_requests_failed(tmp_path: Path) -> None:
    trace = only(read(tmp_path / "a", line("Generated response chatcmpl-a: output: 'ha', finish_reason: abort")))
    assert (trace.error, trace.finish_reason) == ("abort", None)


def test_embeddings_are_no_requests_for_words(tmp_path: Path) -> None:
    pooled = "Received request {}: params: PoolingParams(task='embed'), lora_request: None."
    details = "Request embd-a-0 details: prompt: 'x', prompt_token_ids: [1], prompt_embeds shape: None."
    log = read(
        tmp_path / "a",
        line(details),
        line(pooled.format("embd-a-0")),
        line(pooled.format("a")),
        line(ANSWERED.format("x")),
    )
    assert [trace.id for trace in log.traces] == ["chatcmpl-a"]


def test_a_schema_may_be_a_text(tmp_path: Path) -> None:
    words = json.dumps(samples.SCHEMA)
    sampling = f"SamplingParams(guided_decoding=GuidedDecodingParams(json={words!r}, x=1))"
    received = f"Received request chatcmpl-a: params: {sampling}, lora_request: None."
    assert only(read(tmp_path / "a", line(received))).schema == samples.SCHEMA


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("Generated response chatcmpl-b: output: 'cut o", "an answer that is cut off"),
        ("Received request chatcmpl-b: prompt: 'cut o", "a prompt that is cut off"),
        ("Received request chatcmpl-b: params: SamplingParams(structured_outputs=S(json={'a': {", "are cut off"),
        (
            "Received request chatcmpl-b: params: SamplingParams(structured_outputs=S(json={'a': b})",
            "as Python writes it",
        ),
    ],
)
def test_lines_that_are_cut_off_are_counted(words: str, why: str, tmp_path: Path) -> None:
    whole = [line(ANSWERED.format(str(number))) for number in range(9)]
    log = read(tmp_path / "a", *whole, line(words))
    assert (log.unread, len(log.traces)) == (1, 9)
    assert log.first_unread.startswith("a:10: ") and why in log.first_unread
    with pytest.raises(DataError, match="1 of 9 records cannot be read"):
        read(tmp_path / "a", *whole[1:], line(words))


def test_prompts_whose_answers_never_come_do_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whet.monitoring.logs.waiting.MOST_WAITING", 3)
    received = "Received request chatcmpl-{0}: prompt: '{0}', params: SamplingParams(n=1), lora_request: None."
    lines = [line(received.format(number)) for number in range(9)]
    log = read(tmp_path / "a", *lines, line("Generated response chatcmpl-8: output: 'x', finish_reason: stop"))
    assert [trace.asked for trace in log.traces] == list("012345867")  # 6 and 7 waited for an answer until the end
    assert [trace.answer for trace in log.traces] == [None] * 6 + ["x"] + [None] * 2


@pytest.mark.parametrize(
    "prompt",
    [
        "<|im_start|>system\nRoute.<|im_end|>\n<|im_start|>user\nWhere is 7?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nRoute.<|eot_id|><|start_header_id|>user<|end_header_id|>"
        "\n\nWhere is 7?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        "<bos><start_of_turn>system\nRoute.<end_of_turn>\n"
        "<start_of_turn>user\nWhere is 7?<end_of_turn>\n<start_of_turn>model\n",
        "<|start|>system<|message|>Route.<|end|><|start|>user<|message|>Where is 7?<|end|><|start|>assistant",
        "<|system|>\nRoute.<|end|>\n<|user|>\nWhere is 7?<|end|>\n<|assistant|>\n",
        "<s>[INST] <<SYS>>\nRoute.\n<</SYS>>\n\nWhere is 7? [/INST]",
    ],
    ids=["chatml", "llama3", "gemma", "gpt-oss", "phi", "llama2"],
)
def test_a_rendered_prompt_becomes_messages_again(prompt: str) -> None:
    assert messages_of_prompt(prompt) == SYSTEM_AND_USER


def test_turns_before_stay_and_prompts_without_marks_are_what_a_user_said() -> None:
    mistral = "<s>[INST] Hi [/INST] Hello</s>[INST] Where? [/INST]"
    assert [turn["role"] for turn in messages_of_prompt(mistral)] == ["user", "assistant", "user"]
    assert messages_of_prompt("Order 7 is") == [{"role": "user", "content": "Order 7 is"}]
    assert messages_of_prompt("") == []
