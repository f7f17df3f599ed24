"""Names of speakers that no dialect knows are read as the recipe says, and the message of an unknown one says how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.data.rows.test_preferences import recipe, spoken
from whet.data.read.source import RawRow, read_row
from whet.data.rows.convert import RowRefused, detect, to_row
from whet.data.rows.rankings import as_pairs
from whet.errors import DataError, RecipeError

BARD = {"conversations": [{"from": "prompter", "value": "Hi?"}, {"from": "bard", "value": "Hello!"}]}
ASKED = [("user", "Hi?"), ("assistant", "Hello!")]


def read(value: dict[str, Any], **keys: Any) -> list[tuple[str, str]]:
    asked = recipe(**keys)
    return spoken(to_row(RawRow(0, "made-up.jsonl:1", value), detect([value], asked), asked).messages)


def refusal(value: dict[str, Any], **keys: Any) -> RowRefused:
    with pytest.raises(RowRefused) as caught:
        read(value, **keys)
    assert caught.value.code == "unknown-role"
    return caught.value


def test_an_unknown_role_names_the_setting_that_mends_it_and_the_setting_does() -> None:
    told = refusal(BARD)
    assert "columns: {roles: {prompter: user, bard: assistant}}" in told.fix
    assert read(BARD, columns={"roles": {"prompter": "user", "bard": "assistant"}}) == ASKED


@pytest.mark.parametrize(
    ("speakers", "setting"),
    [
        (["User", "ASSISTANT"], "{User: user, ASSISTANT: assistant}"),
        (["human", "claude"], "{claude: assistant}"),
        (["sys", "user", "gpt-4"], '{sys: system, "gpt-4": assistant}'),
        (["Alice", "Bob", "Alice", "Bob"], "{Alice: user, Bob: assistant}"),
        (["user", "Whet"], "{Whet: assistant}"),
    ],
)
def test_all_unknown_names_of_a_conversation_are_guessed_at_once(speakers: list[str], setting: str) -> None:
    told = refusal({"messages": [{"role": speaker, "content": "x"} for speaker in speakers]})
    assert f"columns: {{roles: {setting}}}" in told.fix


def test_a_role_that_is_no_text_or_missing_is_not_guessed() -> None:
    assert "columns:" not in refusal({"messages": [{"role": "user", "content": "x"}, {"content": "y"}]}).fix
    assert "7" in str(refusal({"messages": [{"role": 7, "content": "x"}]}))


MAPPED: dict[str, dict[str, Any]] = {
    "messages": {"messages": [{"role": "asker", "content": "Hi?"}, {"role": "bard", "content": "Hello!"}]},
    "prompt and completion": {
        "prompt": [{"role": "asker", "content": "Hi?"}],
        "completion": [{"role": "bard", "content": "Hello!"}],
    },
    "pairs": {
        "prompt": [{"from": "asker", "value": "Hi?"}],
        "chosen": {"from": "bard", "value": "Hello!"},
        "rejected": {"from": "bard", "value": "No."},
    },
    "OpenAI's pairs": {
        "input": {"messages": [{"role": "asker", "content": "Hi?"}]},
        "preferred_output": [{"role": "bard", "content": "Hello!"}],
        "non_preferred_output": [{"role": "bard", "content": "No."}],
    },
    "ranked": {
        "prompt": [{"role": "asker", "content": "Hi?"}],
        "ranked": [[{"role": "bard", "content": "Hello!"}], [{"role": "bard", "content": "No."}]],
    },
    "marked": {
        "messages": [{"role": "asker", "content": "Hi?"}, {"role": "bard", "content": "Hello!"}],
        "thumbs_up": True,
    },
}


@pytest.mark.parametrize("value", MAPPED.values(), ids=MAPPED)
def test_roles_are_mapped_in_every_form_that_holds_messages(value: dict[str, Any]) -> None:
    asked = recipe(columns={"roles": {"asker": "user", "bard": "assistant"}})
    shape = detect([value], asked)
    (pair,) = as_pairs([(0, "made-up.jsonl:1", value)], shape)
    assert spoken(to_row(read_row(pair), shape, asked).messages) == ASKED
    assert not any("columns.roles" in note for note in shape.notes)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("names", [("asker", "bard"), ("用户", "助手")])
def test_a_table_holds_messages_as_json(names: tuple[str, str], indent: int | None) -> None:
    turns = [{"from": name, "value": words} for name, words in zip(names, ("Hi?", "Hello!"), strict=True)]
    roles = dict(zip(names, ("user", "assistant"), strict=True))
    for as_ascii in (True, False):
        value = {"conversations": json.dumps(turns, indent=indent, ensure_ascii=as_ascii)}
        assert read(value, columns={"roles": roles}) == ASKED
        assert detect([value], recipe(columns={"roles": roles})).notes == ()
    assert read({"messages": json.dumps([{"role": role, "content": words} for role, words in ASKED])}) == ASKED


def test_speakers_that_are_numbers_are_named_by_their_digits() -> None:
    value = {"messages": [{"role": 0, "content": "Hi?"}, {"role": 1, "content": "Hello!"}]}
    told = refusal(value)
    assert "message 1 has an unknown role" in str(told) and 'roles: {"0": user, "1": assistant}' in told.fix
    roles = {"0": "user", "1": "assistant"}
    assert read(value, columns={"roles": roles}) == ASKED
    assert detect([value], recipe(columns={"roles": roles})).notes == ()


def test_a_turn_that_calls_a_tool_may_have_any_name() -> None:
    call = '{"name": "clock", "arguments": {"zone": "UTC"}}'
    turns = [("user", "The time?"), ("caller", call), ("tool", "12:00"), ("assistant", "Noon.")]
    value = {"messages": [{"role": role, "content": words} for role, words in turns]}
    asked = recipe(columns={"roles": {"caller": "tool-call"}})
    calling = to_row(RawRow(0, "a.jsonl:1", value), detect([value], asked), asked).messages[1]
    assert calling["role"] == "assistant"
    assert calling["tool_calls"][0]["function"] == {"name": "clock", "arguments": {"zone": "UTC"}}


def test_messages_under_other_keys_or_in_pythons_notation_are_said_to_be_so() -> None:
    with pytest.raises(DataError, match="keys 'speaker', 'text', and messages have role and content"):
        detect([{"messages": [{"speaker": "bard", "text": "Hello!"}]}], recipe())
    with pytest.raises(DataError, match="as Python shows them, which are no JSON") as caught:
        detect([{"messages": str([{"role": "user", "content": "Hi?"}])}], recipe())
    assert "json.dumps" in caught.value.fix


def test_the_recipe_wins_over_the_dialect_and_words_are_left_alone() -> None:
    value = {"messages": [{"role": "gpt", "content": "role: gpt"}, {"role": "user", "content": "gpt"}]}
    assert read(value, columns={"roles": {"gpt": "user", "user": "assistant"}}) == [
        ("user", "role: gpt"),
        ("assistant", "gpt"),
    ]


def test_a_name_that_no_row_holds_is_said() -> None:
    roles = {"prompter": "user", "bard": "assistant", "brad": "assistant"}
    shape = detect([BARD], recipe(columns={"roles": roles}))
    assert shape.notes == ("columns.roles names 'brad', and none of 1 row has such a speaker.",)


def test_only_known_roles_can_be_named() -> None:
    with pytest.raises(RecipeError, match=r"columns\.roles must be one of .*assistant.*asistant"):
        recipe(columns={"roles": {"bard": "asistant"}})
