"""Tool calls: parsed out of what a model writes, held back while it streams, and made where one must be made."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from whet.data.render.renderer import Renderer
from whet.generation.serving.request import AnswerRequest, WrittenToken
from whet.model.base import load_tokenizer
from whet.server.errors import ApiError
from whet.server.inference.answers import Piece, WholeAnswer, Writing, pieces
from whet.server.inference.hosting.ticket import Ticket
from whet.server.inference.words.tools import CallForm, call_form, read_tools
from whet.server.inference.words.wording import Wording

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
PARIS = '{"name": "get_weather", "arguments": {"city": "Paris"}}'


@pytest.fixture(scope="module")
def wording() -> Wording:
    renderer = Renderer(load_tokenizer("nano"))
    return Wording(renderer.tokenizer, renderer)


@dataclass
class Read:
    said: list[str]
    whole: WholeAnswer


def read_text(
    wording: Wording, text: str, parallel: bool | None = None, tools: tuple[dict[str, Any], ...] = (WEATHER, CLOCK)
) -> Read:
    """What becomes of an answer of this text that may call tools."""

    async def run() -> list[Piece]:
        ids = [*wording.tokenizer(text)["input_ids"], 1]
        ticket = Ticket(AnswerRequest([5], frozenset({1}), len(ids)), 1e12, lambda _: None)
        for number, token in enumerate(ids):
            end = "stop" if number == len(ids) - 1 else None
            ticket.written.put_nowait(WrittenToken(0, token, -0.1, [], end))
        use = read_tools(list(tools), "auto", parallel)
        return [piece async for piece in pieces(ticket, Writing(None, wording, (), use), 0)]  # type: ignore[arg-type]

    found = asyncio.run(run())
    whole = WholeAnswer()
    for piece in found:
        whole.add(piece)
    return Read([piece.text for piece in found if piece.text], whole)


@pytest.mark.parametrize(
    ("text", "words", "calls"),
    [
        (f"<tool_call>{PARIS}</tool_call>", "", [("get_weather", {"city": "Paris"})]),
        (f"Let me look.\n<tool_call>{PARIS}</tool_call>", "Let me look.", [("get_weather", {"city": "Paris"})]),
        (PARIS, "", [("get_weather", {"city": "Paris"})]),
        (f"[TOOL_CALLS][{PARIS}]", "", [("get_weather", {"city": "Paris"})]),
        (
            "<function=get_weather><parameter=city>75001</parameter><parameter=days>2</parameter></function>",
            "",
            [("get_weather", {"city": "75001", "days": 2})],
        ),
        (
            f'<tool_call>{PARIS}</tool_call>\n<tool_call>{{"name": "get_time", "arguments": {{}}}}</tool_call>',
            "",
            [("get_weather", {"city": "Paris"}), ("get_time", {})],
        ),
        ("It is 3 < 4 and <toll>, no call.", "It is 3 < 4 and <toll>, no call.", []),
        ('{"mood": "good"}', '{"mood": "good"}', []),
        ('<tool_call>{"name": broken</tool_call>', '<tool_call>{"name": broken</tool_call>', []),
    ],
)
def test_calls_are_read_and_words_stay(
    wording: Wording, text: str, words: str, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    read = read_text(wording, text)
    assert [(call.name, json.loads(call.arguments)) for call in read.whole.calls] == calls
    assert read.whole.text == words
    assert read.whole.end == ("tool_calls" if calls else "stop")


def test_words_stream_while_they_cannot_be_a_call(wording: Wording) -> None:
    read = read_text(wording, "The weather is fine today. <tool_call>" + PARIS + "</tool_call>")
    assert len(read.said) > 3, "words come as they are written"
    assert "".join(read.said) == "The weather is fine today."


def test_without_parallel_calls_there_is_one(wording: Wording) -> None:
    text = f"<tool_call>{PARIS}</tool_call><tool_call>{PARIS}</tool_call>"
    assert len(read_text(wording, text).whole.calls) == 2
    assert len(read_text(wording, text, parallel=False).whole.calls) == 1


def test_a_strict_tool_is_called_by_its_schema_alone(wording: Wording) -> None:
    strict = {"type": "function", "function": WEATHER["function"] | {"strict": True}}
    good, bad = (f'<tool_call>{{"name": "get_weather", "arguments": {one}}}</tool_call>'
                 for one in ('{"city": "Paris"}', '{"city": 75}'))  # fmt: skip
    assert read_text(wording, good, tools=(strict,)).whole.calls
    assert read_text(wording, bad).whole.calls, "without strict nobody asked for more"
    broken = read_text(wording, bad, tools=(strict,)).whole
    assert (broken.calls, broken.text, broken.end) == ([], bad, "stop")
    odd = {"type": "function", "function": strict["function"] | {"parameters": {"required": 5}}}
    assert read_text(wording, good, tools=(odd,)).whole.calls == []


def test_a_strict_schema_may_refer_to_its_definitions() -> None:
    parameters = {
        "type": "object", "properties": {"at": {"$ref": "#/$defs/Place"}}, "$defs": {"Place": {"type": "string"}},
    }  # fmt: skip
    tool = {"type": "function", "function": {"name": "go", "strict": True, "parameters": parameters}}
    assert read_tools([tool], None, None).strict == {"go": {"type": "object", "properties": {"at": {"type": "string"}}}}
    parameters["$defs"]["Place"] = {"$ref": "#/$defs/Place"}
    with pytest.raises(ApiError) as told:
        read_tools([tool], None, None)
    assert told.value.code == "unsupported_parameter"


def test_the_form_of_a_call_is_the_templates(wording: Wording) -> None:
    assert call_form(wording) == CallForm("<tool_call>", "arguments")


@pytest.mark.parametrize(
    ("tools", "choice", "param"),
    [
        ([WEATHER, WEATHER], None, "tools"),
        ([{"type": "function", "function": {}}], None, "tools.0.function"),
        ([{"type": "web_search"}], None, "tools.0.type"),
        ([WEATHER], {"type": "function", "function": {"name": "get_tide"}}, "tool_choice"),
        ([WEATHER], "always", "tool_choice"),
        (None, "required", "tool_choice"),
    ],
)
def test_wrong_tools_are_refused_by_name(tools: Any, choice: Any, param: str) -> None:
    with pytest.raises(ApiError) as told:
        read_tools(tools, choice, None)
    assert (told.value.status, told.value.param) == (400, param)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_call_that_must_be_made_is_made(client: Any, choice: Any) -> None:
    ask: dict[str, Any] = {
        "model": "nano", "messages": [{"role": "user", "content": "Say hello."}], "tools": [WEATHER, CLOCK],
        "tool_choice": choice, "seed": 3, "max_tokens": 200,
    }  # fmt: skip
    answer = client.chat.completions.create(**ask).choices[0]
    assert answer.finish_reason == "tool_calls" and answer.message.content is None
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    arguments = json.loads(call.function.arguments)
    if choice != "required":
        assert call.function.name == "get_weather"
    if call.function.name == "get_weather":
        assert isinstance(arguments["city"], str) and arguments.keys() <= {"city", "days"}

    streamed, ends = [], []
    for chunk in client.chat.completions.create(**ask, stream=True):
        streamed += chunk.choices[0].delta.tool_calls or []
        ends.append(chunk.choices[0].finish_reason)
    assert [(one.index, one.function.name, one.function.arguments) for one in streamed] == [
        (0, call.function.name, call.function.arguments)
    ]
    assert ends[-1] == "tool_calls"


def test_with_tool_choice_none_nothing_is_called(client: Any) -> None:
    answer = client.chat.completions.create(
        model="nano", messages=[{"role": "user", "content": "hi"}], tools=[WEATHER], tool_choice="none", max_tokens=8
    )
    assert answer.choices[0].message.tool_calls is None


def test_calls_and_their_results_are_read_back(client: Any) -> None:
    messages: list[Any] = [
        {"role": "user", "content": "Weather in Paris?"},
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    answer = client.chat.completions.create(
        model="nano", messages=messages, tools=[WEATHER], max_tokens=4, temperature=0
    )
    renderer = Renderer(load_tokenizer("nano"))
    called = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": json.loads(PARIS)}]}
    whole = renderer.prompt_ids([messages[0], called, {"role": "tool", "content": "sunny"}], [WEATHER])
    assert answer.usage is not None and answer.usage.prompt_tokens == len(whole)
