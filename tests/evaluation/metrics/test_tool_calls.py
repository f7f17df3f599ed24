"""Tool calls: what is learned of them on the bundled base, and the metric that compares names and arguments."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.data.rows.test_preferences import recipe
from whet.data.prepare import prepare
from whet.data.read.source import RawRow
from whet.data.render.inspect import supervised_pieces
from whet.data.render.renderer import Renderer
from whet.data.rows.convert import detect, to_row
from whet.errors import InputError
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.tool_calls import Call, calls_in, calls_of
from whet.evaluation.metrics.turns import turns_of_row
from whet.evaluation.preflight.scorable_rows import refuse_unscorable
from whet.methods import method_of
from whet.model.base import load_tokenizer
from whet.recipe.load import load_recipe
from whet.recipe.schema import Sft
from whet.types import Row, written_call

NAMES = ("weather", "clock")
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
    for name in NAMES
]


def called(name: str, arguments: Any, number: int = 0) -> dict[str, Any]:
    return {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def conversation(calls: Sequence[dict[str, Any]], *rest: dict[str, Any]) -> dict[str, Any]:
    asked = {"role": "user", "content": "Weather in Ulm?"}
    answer = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    return {"messages": [asked, answer, *rest], "tools": TOOLS}


def row_of(value: dict[str, Any]) -> Row:
    return to_row(RawRow(0, "a.jsonl:1", value), detect([value], recipe()), recipe())


def learned(row: Row) -> list[str]:
    tokenizer = load_tokenizer("nano")
    rendered = Renderer(tokenizer).render(row)
    return [text for text, supervised in supervised_pieces(rendered, tokenizer) if supervised]


WEATHER = called("weather", {"city": "Ulm", "days": 2})
WRITTEN = '<tool_call>{"name": "weather", "arguments": {"city": "Ulm", "days": 2}}</tool_call>'


def test_the_bundled_base_learns_calls_and_never_what_a_tool_answers() -> None:
    result = {"role": "tool", "tool_call_id": "c0", "content": "Rain, 9 degrees."}
    row = row_of(conversation([WEATHER], result, {"role": "assistant", "content": "It rains."}))
    assert learned(row) == [WRITTEN + "<|end|>", "It rains.<|end|>"]
    text = Renderer(load_tokenizer("nano")).render(row).text
    assert "<|user|><tool_response>Rain, 9 degrees.</tool_response><|end|>" in text
    assert text.startswith('<|system|>Tools:\n{"name": "weather", "parameters"') and text.count("<|system|>") == 1


def test_arguments_as_a_text_and_as_an_object_are_learned_alike() -> None:
    as_text = called("weather", '{"city": "Ulm", "days": 2}')
    assert learned(row_of(conversation([as_text]))) == learned(row_of(conversation([WEATHER]))) == [WRITTEN + "<|end|>"]
    empty = [learned(row_of(conversation([called("clock", given)]))) for given in ("", "{}", {})]
    assert empty[0] == empty[1] == empty[2] == ['<tool_call>{"name": "clock", "arguments": {}}</tool_call><|end|>']


def test_parallel_calls_are_learned_in_their_order_and_words_beside_them_too() -> None:
    row = row_of(conversation([WEATHER, called("clock", {"city": "Ulm"}, 1)]))
    second = '<tool_call>{"name": "clock", "arguments": {"city": "Ulm"}}</tool_call>'
    assert learned(row) == [f"{WRITTEN}\n{second}<|end|>"]
    row.messages[1]["content"] = "One moment."
    assert learned(row) == [f"One moment.\n{WRITTEN}\n{second}<|end|>"]


def test_tools_join_the_system_prompt_and_conversations_without_are_what_they_were() -> None:
    renderer = Renderer(load_tokenizer("nano"))
    spoken = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}]
    assert renderer.prompt_text(spoken) == "<|system|>Be brief.<|end|><|user|>Hi?<|end|><|assistant|>"
    text = renderer.prompt_text(spoken, TOOLS)
    assert text.startswith("<|system|>Be brief.\nTools:\n") and text.endswith("<|end|><|user|>Hi?<|end|><|assistant|>")


ELEMENTS = "<function=weather>\n<parameter=city>\nUlm\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>"
"""As Qwen3-Coder writes it."""
KEYED = "<arg_key>city</arg_key>\n<arg_value>Ulm</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>"
"""As GLM 4.5 writes it."""
ULM, TIME = {"city": "Ulm", "days": 2}, {"city": "Ulm"}


FORMS = {
    "elements": "{% for c in message.tool_calls %}<function={{ c.function.name }}>{% for k, v in "
    "c.function.arguments.items() %}<parameter={{ k }}>\n{{ v }}\n</parameter>{% endfor %}</function>{% endfor %}",
    "python": "[{% for c in message.tool_calls %}{{ c.function.name }}({% for k, v in c.function.arguments.items() %}"
    "{{ k }}={{ v | tojson }}{{ ', ' if not loop.last }}{% endfor %}){{ ', ' if not loop.last }}{% endfor %}]",
}
WRITES = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for message in messages %}<|{{ message.role }}|>"
    "{% if message.tool_calls %}CALLS{% else %}{{ message.content }}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""A template for nano's tokens that writes calls in one of these forms."""


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (WRITTEN, 1),
        ('<tool_call>\n{"arguments": {"days": 2.0, "city": "Ulm"}, "name": "weather"}\n</tool_call>', 1),
        ('Let me see. <tool_call>{"name": "weather", "arguments": "{\\"city\\": \\"Ulm\\", \\"days\\": 2}"}', 1),
        ('[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Ulm", "days": 2}, "id": "abcdef123"}]', 1),
        ('{"name": "weather", "parameters": {"city": "Ulm", "days": 2}}', 1),
        (WRITTEN.replace("2", '"2"'), 0),
        (WRITTEN.replace("2", "true"), 0),
        (WRITTEN.replace("weather", "clock"), 0),
        (WRITTEN.replace(', "days": 2', ""), 0),
        (WRITTEN.replace('"days": 2', '"days": 2, "days": 2'), 0),
        (WRITTEN + WRITTEN, 0),
        (WRITTEN.replace("}}", "}"), 0),
        ('weather(city="Ulm", days=2)', 0),
        ('[weather(city="Ulm", days=2)]', 1),
        ("<|python_start|>[weather(days=2, city='Ulm')]<|python_end|>", 1),
        ('[weather(city="Ulm", days="2")]', 0),
        ('[weather("Ulm", 2)]', 0),
        ('[weather(city="Ulm", days=2), clock()]', 0),
        ('[weather(city="Ulm", days=__import__("os").getpid())]', 0),
        ("<tool_call>\n" + ELEMENTS + "\n</tool_call>", 1),
        ("I look it up.\n" + ELEMENTS, 1),
        (ELEMENTS.replace("2", "two"), 0),
        (ELEMENTS.replace("<parameter=days>", "days"), 0),
        (ELEMENTS.replace("days", "city"), 0),
        (ELEMENTS * 2, 0),
        ('<function=weather>{"city": "Ulm", "days": 2}</function>', 1),
        ('<function=weather>{"city": "Ulm", "days": "2"}</function>', 0),
        (f"<tool_call>weather\n{KEYED}\n</tool_call>", 1),
        (f"<tool_call>weather\n{KEYED.replace('Ulm', 'Rome')}</tool_call>", 0),
        ('[TOOL_CALLS]weather[ARGS]{"city": "Ulm", "days": 2}', 1),
        ('[TOOL_CALLS]weather[ARGS]{"city": "Ulm"', 0),
        ("", 0),
    ],
)
def test_an_answer_is_right_when_it_makes_the_same_calls(answer: str, right: int) -> None:
    row = row_of(conversation([WEATHER]))
    assert calls_of(row) == [Call("weather", ULM)]
    assert metric.score("tool-call", answer, row).value == right
    assert metric.score("tool-call", row.reference, row).value == 1


def test_the_order_of_parallel_calls_says_nothing_and_each_counts_once() -> None:
    row = row_of(conversation([called("clock", TIME), called("clock", TIME, 1), called("clock", {"city": True}, 2)]))
    one, other = (written_call(called("clock", given)) for given in (TIME, {"city": True}))
    for answer, right in ((one + other + one, 1), (other + one + one, 1), (one + other, 0), (one + other + other, 0)):
        assert metric.score("tool-call", answer, row).value == right
    assert metric.score("tool-call", one + one + one.replace('"Ulm"', "1"), row).value == 0, "1 is not true"


def test_what_has_no_quotes_equals_what_is_spelled_so_and_each_call_still_counts_once() -> None:
    def spelled(value: str) -> str:
        return f"<function=clock><parameter=city>{value}</parameter></function>"

    wanted = [2, "2"]
    row = row_of(conversation([called("clock", {"city": value}, n) for n, value in enumerate(wanted)]))
    for answer, right in ((("2", "2.0"), 1), (("2.0", "2"), 1), (("2", "2"), 1), (("2.0", "2.0"), 0)):
        assert metric.score("tool-call", "".join(map(spelled, answer)), row).value == right, answer
    for value, text, right in ((True, "True", 1), (True, "true", 1), (["a"], '["a"]', 1), (1, "", 0)):
        row = row_of(conversation([called("clock", {"city": value})]))
        assert metric.score("tool-call", spelled(text), row).value == right, text


@pytest.mark.parametrize("form", ["elements", "python"])
def test_a_base_that_writes_calls_in_such_a_form_is_measured(form: str, tmp_path: Path) -> None:
    wanted = load_recipe({"data": written_rows(tmp_path / "a.jsonl", 60), "method": "sft"})
    tokenizer = load_tokenizer("nano")
    prepared = prepare(wanted, tokenizer, Renderer(tokenizer, WRITES.replace("CALLS", FORMS[form])))
    refuse_unscorable(wanted, method_of(wanted), prepared)
    row = prepared.test_rows[0]
    start, end = (rendered := prepared.renderer.render(row)).spans[-1]
    answer = prepared.renderer.words_of(rendered.text[start:end])
    assert metric.score("tool-call", answer, row).value == 1, answer


def test_where_nothing_is_to_be_called_the_words_are_compared() -> None:
    row = row_of({"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello!"}]})
    answers = ("Hello!", '{"a": 1}', WRITTEN, "<tool_call>{", "London, rubbish")
    found = [metric.score("tool-call", answer, row) for answer in answers]
    assert [one.value for one in found] == [1, 0, 0, 0, 0]
    facts = metric.aggregate("tool-call", found[:4], [row] * 4)
    assert (facts["called"], facts["names"], facts["readable"]) == (0.25, 0.5, 0.75)
    assert calls_in("<tool_call>{") is None and calls_in('{"a": 1}') == []


@pytest.mark.parametrize("words", ['{"name": "Bob", "age": 3}', '[{"name": "Bob"}]', WRITTEN])
def test_a_reference_in_words_scores_1_against_itself_whatever_it_looks_like(words: str) -> None:
    row = row_of({"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": words}]})
    assert metric.score("tool-call", words, row).value == 1
    assert words == WRITTEN or calls_in(words) == []
    assert calls_in('[TOOL_CALLS] [{"name": "clock"}]') == [Call("clock", {})]


def test_rows_of_which_most_call_tools_choose_the_metric_and_each_call_is_a_turn() -> None:
    result = {"role": "tool", "tool_call_id": "c0", "content": "Rain."}
    row = row_of(conversation([WEATHER], result, {"role": "assistant", "content": "It rains."}))
    turns = turns_of_row(row)
    assert [turn.reference for turn in turns] == [WRITTEN, "It rains."]
    name, why = metric.choose([row])
    assert name == "tool-call" and "1 of 2 answers call tools" in why and "word for word" in why
    plain = row_of({"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello!"}]})
    assert metric.choose([row_of(conversation([WEATHER])), plain])[0] == "tool-call"
    name, why = metric.choose([row, plain])
    assert name == "nll" and "1 of 3 answers call tools and most are words" in why
    assert metric.choose([plain])[0] not in ("tool-call", "nll")


def written_rows(path: Path, rows: int) -> str:
    rng, lines = random.Random(1), []
    for n in range(rows):
        city, other = rng.sample(("Ulm", "Rome", "Oslo", "Cairo", "Lima", "Bonn"), 2)
        asked, calls = {
            0: (f"Weather in {city}?", [called("weather", {"city": city})]),
            1: (f"What time is it in {city}?", [called("clock", json.dumps({"city": city}))]),
            2: (f"Weather in {city} and in {other}?", [called("weather", {"city": one}) for one in (city, other)]),
        }[n % 3]
        messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": None, "tool_calls": calls}]
        lines.append(json.dumps({"messages": messages, "tools": TOOLS}) + "\n")
    path.write_text("".join(lines))
    return str(path)


def test_a_base_whose_calls_could_not_be_read_back_is_refused_before_training(tmp_path: Path) -> None:
    wanted = load_recipe({"data": written_rows(tmp_path / "a.jsonl", 60), "method": "sft"})
    tokenizer = load_tokenizer("nano")
    prepared = prepare(wanted, tokenizer)
    refuse_unscorable(wanted, method_of(wanted), prepared)
    source = str(tokenizer.chat_template).replace("<tool_call>", "<call>").replace("</tool_call>", "</call>")
    other = prepare(wanted, tokenizer, Renderer(tokenizer, source))
    with pytest.raises(InputError, match="in a form that the metric tool-call does not read") as caught:
        refuse_unscorable(wanted, method_of(wanted), other)
    assert "<call>" in str(caught.value) and "evaluate.metric: nll" in caught.value.fix


def test_the_metric_needs_a_row_that_calls(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"a{n}", "completion": f"b{n}"}) + "\n" for n in range(40)))
    asked = load_recipe({"data": str(path), "method": "sft", "evaluate": {"metric": "tool-call"}})
    assert isinstance(asked.method, Sft)
    with pytest.raises(InputError, match="no test row calls a tool"):
        refuse_unscorable(asked, method_of(asked), prepare(asked, load_tokenizer("nano")))


@pytest.mark.parametrize("name", ["exact-match", "rouge-l", "chrf", "tool-call", "nll", "exact"])
def test_calls_are_not_compared_as_texts(name: str, tmp_path: Path) -> None:
    reward = {"kind": "grpo", "rewards": "exact"}
    asked = {"method": reward} if name == "exact" else {"method": "sft", "evaluate": {"metric": name}}
    wanted = load_recipe({"data": written_rows(tmp_path / "a.jsonl", 40), **asked})
    prepared = prepare(wanted, load_tokenizer("nano"))
    if name in ("tool-call", "nll"):
        refuse_unscorable(wanted, method_of(wanted), prepared)
        return
    with pytest.raises(InputError, match=f"{name} compares words, and a row calls tools"):
        refuse_unscorable(wanted, method_of(wanted), prepared)


@pytest.mark.slow
def test_the_bundled_base_learns_to_call_tools(tmp_path: Path) -> None:
    import whet

    data = written_rows(tmp_path / "calls.jsonl", 300)
    result = whet.tune(
        data,
        run_root=tmp_path,
        steps=60,
        batch_tokens=1500,
        keep=False,
        evaluate={"forgetting": False, "against": ["base"]},
        split={"near_duplicates": False},
    )
    assert result["metric"]["name"] == "tool-call" and result["base"]["score"] == 0
    assert result["tuned"]["score"] > 0.7 and result["tuned"]["readable"] > 0.9, result["tuned"]
