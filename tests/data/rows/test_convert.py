"""Every known form becomes the same conversation; what could mean two things is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from whet.data.read.source import RawRow
from whet.data.rows.convert import RowRefused, detect, to_row
from whet.errors import DataError
from whet.recipe.schema import Recipe
from whet.types import Row

PAIR = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def convert(value: Any, **recipe: Any) -> Row:
    made = Recipe(data="x.jsonl", **recipe)
    return to_row(RawRow(0, "x.jsonl:1", value), detect([value], made), made)


def kind(value: Any, **recipe: Any) -> str:
    return detect([value], Recipe(data="x.jsonl", **recipe)).kind


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"messages": PAIR}, "chat"),
        ({"conversations": PAIR}, "chat"),
        ({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}, "sharegpt"),
        ({"prompt": "Hi", "completion": "Hello"}, "prompt-completion"),
        ({"prompt": PAIR[:1], "completion": PAIR[1:]}, "prompt-completion"),
        ({"prompt": "Hi", "completion": PAIR[1]}, "prompt-completion"),
        ({"question": "Hi", "answer": "Hello"}, "prompt-completion"),
        ({"Question": "Hi", "Answer": "Hello"}, "prompt-completion"),
        ({"input": "Hi", "output": "Hello"}, "prompt-completion"),
        ({"instruction": "Hi", "output": "Hello"}, "alpaca"),
        ({"instruction": "Hi", "input": "", "output": "Hello"}, "alpaca"),
        ({"instruction": "Hi", "response": "Hello"}, "alpaca"),
        ({"text": "Hi", "label": "Hello"}, "label"),
        ({"text": "Hi", "category": "Hello"}, "label"),
    ],
)
def test_every_form_says_the_same(value: dict, expected: str) -> None:
    assert kind(value) == expected
    assert convert(value).messages == PAIR
    assert convert(value, system="Be kind.").messages[0] == {"role": "system", "content": "Be kind."}


def test_instructions_with_an_input() -> None:
    row = convert({"instruction": "Correct this.", "input": "He go.", "output": "He goes."})
    assert row.messages[0]["content"] == "Correct this.\n\nHe go."
    dolly = convert({"instruction": "Who?", "context": "Ada wrote it.", "response": "Ada.", "category": "qa"})
    assert dolly.messages[0]["content"] == "Who?\n\nAda wrote it."


def test_labels_texts_groups_and_systems() -> None:
    row = convert({"text": "My card?", "intent": 3, "user": 7}, columns={"group": "user"})
    assert (row.label, row.group, row.reference) == ("3", "7", "3")
    assert convert({"text": "Once upon a time"}).text == "Once upon a time"
    assert convert("Once upon a time").text == "Once upon a time"
    assert kind({"text": "a", "label": "b"}, method={"kind": "pretrain"}) == "text"
    assert convert({"prompt": "a", "completion": "b", "system": "c"}).messages[0]["content"] == "c"
    own = convert({"messages": [{"role": "system", "content": "own"}, *PAIR]}, system="other")
    assert [m["content"] for m in own.messages] == ["own", "Hi", "Hello"]


def test_structured_answers_are_learned_as_json() -> None:
    assert convert({"prompt": "x", "completion": {"city": "Köln", "n": 1}}).reference == '{"city": "Köln", "n": 1}'
    assert convert({"question": "6 x 7?", "answer": 42}).reference == "42"


def test_columns_and_format_are_obeyed() -> None:
    value = {"frage": "Hi", "antwort": "Hello", "text": "x"}
    assert convert(value, columns={"prompt": "frage", "completion": "antwort"}).messages == PAIR
    with pytest.raises(DataError, match="did you mean 'frage'"):
        convert(value, columns={"prompt": "frege", "completion": "antwort"})
    with pytest.raises(DataError, match="'frage', 'antwort'"):
        convert({"frage": "Hi", "antwort": "Hello"})
    with pytest.raises(DataError, match="as format: alpaca"):
        convert(value, format="alpaca")


def test_sharegpt_tools_become_openai_tools() -> None:
    tool = {"name": "look", "description": "d", "parameters": {"type": "object", "properties": {}}}
    turns = [
        ("human", "Find soup"),
        ("function_call", '{"name": "look", "arguments": {"dish": "soup"}}'),
        ("observation", '{"found": 1}'),
        ("gpt", "Found one."),
    ]
    value = {"conversations": [{"from": f, "value": v} for f, v in turns], "tools": json.dumps([tool])}
    row = convert(value)
    assert row.tools == [{"type": "function", "function": tool}]
    call = row.messages[1]["tool_calls"][0]
    assert call["function"] == {"name": "look", "arguments": {"dish": "soup"}}
    assert row.messages[1]["content"] == ""
    assert row.messages[2]["role"] == "tool" and row.messages[2]["tool_call_id"] == call["id"]
    assert row.messages[2]["name"] == "look" and row.reference == "Found one."


def test_openai_tool_calls_and_the_older_function_call() -> None:
    new = {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": '{"a": 1}'}}]}
    old = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a": 1}'}}
    for message in (new, old):
        row = convert({"messages": [PAIR[0], message]})
        assert row.messages[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": {"a": 1}}
        assert row.messages[1]["content"] == ""


def test_two_calls_and_two_results_are_linked_in_order() -> None:
    calls = [{"function": {"name": name, "arguments": {}}} for name in ("f", "g")]
    messages = [PAIR[0], {"role": "assistant", "tool_calls": calls}] + [{"role": "tool", "content": c} for c in "xy"]
    row = convert({"messages": [*messages, PAIR[1]]})
    assert [m["name"] for m in row.messages if m["role"] == "tool"] == ["f", "g"]


def test_the_nulls_of_parquet_do_not_become_fields() -> None:
    row = convert({"messages": [{**m, "tool_calls": None, "name": None} for m in PAIR], "tools": None})
    assert row.messages == PAIR and row.tools is None


def test_content_parts_of_text_are_joined() -> None:
    parts = [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]
    assert convert({"messages": [{"role": "user", "content": parts}, PAIR[1]]}).messages == PAIR
    asked = {"role": "user", "content": [{"type": "input_text", "text": "Who?"}]}
    told = {"role": "assistant", "content": [{"type": "output_text", "text": "I."}, {"type": "text", "text": " Yes."}]}
    assert [message["content"] for message in convert({"messages": [asked, told]}).messages] == ["Who?", "I. Yes."]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"prompt": "", "completion": "x"}, "empty-text"),
        ({"prompt": "x", "completion": " "}, "empty-answer"),
        ({"prompt": "x", "completion": None}, "empty-answer"),
        ({"text": "x", "label": None}, "empty-answer"),
        ({"messages": PAIR[:1]}, "no-answer"),
        ({"messages": [PAIR[0], {"role": "assistant", "content": ""}]}, "empty-answer"),
        ({"messages": [{"role": "assitant", "content": "x"}, *PAIR]}, "unknown-role"),
        ({"messages": [PAIR[0], {"role": "assistant", "content": 5}]}, "wrong-type"),
        (
            {"messages": [*PAIR, {"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}]},
            "bad-tool-call",
        ),
        (
            {"messages": [*PAIR, {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
            "bad-json",
        ),
        ({"messages": PAIR, "tools": "[{"}, "bad-json"),
        ({"messages": PAIR, "tools": {"a": 1}}, "bad-tools"),
        ({"prompt": {"a": 1}, "completion": "x"}, "wrong-type"),
    ],
)
def test_rows_that_cannot_be_learned_are_refused(value: dict, code: str) -> None:
    with pytest.raises(RowRefused) as refused:
        convert(value)
    assert refused.value.code == code and str(refused.value).startswith("x.jsonl:1: ") and refused.value.fix


def test_a_misspelt_role_gets_a_hint() -> None:
    with pytest.raises(RowRefused, match="did you mean 'assistant'"):
        convert({"messages": [{"role": "assitant", "content": "x"}, *PAIR]})


def test_mixed_forms_name_the_first_row_that_differs() -> None:
    values = [{"prompt": "a", "completion": "b"}] * 3 + [{"messages": PAIR}]
    with pytest.raises(DataError, match="row 4 has another form.*chat instead of prompt-completion"):
        detect(values, Recipe(data="x"))
    recipe = Recipe(data="x")
    shape = detect([*values[:3], {"prompt": "a"}], recipe)
    with pytest.raises(RowRefused, match="'completion' is missing"):
        to_row(RawRow(3, "x:4", {"prompt": "a"}), shape, recipe)


def test_a_column_that_a_question_depends_on_is_not_left_out() -> None:
    values = [{"question": "Who?", "answer": "Ada", "context": text} for text in ("", "", "Ada wrote it.")]
    with pytest.raises(DataError, match="'context', filled in row 3, would not be used"):
        detect(values, Recipe(data="x"))
    detect(values, Recipe(data="x", columns={"prompt": "question", "completion": "answer"}))
    with pytest.raises(DataError, match="'summary'"):
        detect([{"text": "a", "summary": "b"}], Recipe(data="x"))


def test_preference_and_kto_data_are_not_learned_by_mistake() -> None:
    with pytest.raises(DataError, match="preference pairs"):
        convert({"prompt": "a", "chosen": "b", "rejected": "c"}, method={"kind": "sft"})
    chosen = convert(
        {"prompt": "Hi", "chosen": "Hello", "rejected": "c"}, columns={"prompt": "prompt", "completion": "chosen"}
    )
    assert chosen.messages == PAIR
    with pytest.raises(DataError, match="good or bad"):
        convert({"messages": PAIR, "label": False}, method={"kind": "sft"})
    assert convert({"messages": PAIR, "label": False}, format="chat").messages == PAIR
