"""Preference pairs of every usual form become one tree: the prompt once, two answers that are learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from tests.data.conftest import Maker
from whet.data.prepare import Prepared, prepare
from whet.data.read.source import RawRow, read_source
from whet.data.render.preference_trees import pair_segments
from whet.data.render.renderer import Rendered, Renderer
from whet.data.rows.convert import RowRefused, detect, to_row
from whet.data.split.row_traits import content_hash, words_of
from whet.errors import DataError
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.types import Row

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ASKED = {"role": "user", "content": "Hi?"}
GOOD, BAD = ({"role": "assistant", "content": words} for words in ("Hello!", "What."))


def recipe(**keys: Any) -> Recipe:
    return load_recipe({"data": "made-up.jsonl", **keys})


def row_of(value: dict[str, Any], **keys: Any) -> Row:
    asked = recipe(**keys)
    shape = detect([value], asked)
    assert shape.kind == "preference"
    return to_row(RawRow(0, "made-up.jsonl:1", value), shape, asked)


def spoken(messages: list[dict[str, Any]] | None) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages or []]


FORMS: dict[str, dict[str, Any]] = {
    "texts": {"prompt": "Hi?", "chosen": "Hello!", "rejected": "What."},
    "question": {"question": "Hi?", "chosen": "Hello!", "rejected": "What.", "id": 7},
    "messages": {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]},
    "one message each": {"messages": [ASKED], "chosen": GOOD, "rejected": BAD},
    "whole conversations": {"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
    "whole conversations and the prompt": {"prompt": "Hi?", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
    "openai": {"input": {"messages": [ASKED]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
    "sharegpt": {
        "conversations": [{"from": "human", "value": "Hi?"}],
        "chosen": {"from": "gpt", "value": "Hello!"},
        "rejected": {"from": "gpt", "value": "What."},
    },
    "transcripts": {
        "chosen": "\n\nHuman: Hi?\n\nAssistant: Hello!",
        "rejected": "\n\nHuman: Hi?\n\nAssistant: What.",
    },
}


@pytest.mark.parametrize("value", FORMS.values(), ids=FORMS)
def test_every_usual_form_is_the_same_pair(value: dict[str, Any]) -> None:
    row = row_of(value)
    assert spoken(row.messages) == [("user", "Hi?"), ("assistant", "Hello!")]
    assert spoken(row.rejected) == [("user", "Hi?"), ("assistant", "What.")]
    assert spoken(row.prompt) == [("user", "Hi?")] and row.reference == "Hello!"


def test_an_instruction_keeps_its_input_and_both_sides_the_system_prompt() -> None:
    row = row_of({"instruction": "Add.", "input": "1 2", "chosen": "3", "rejected": "4"}, system="Be exact.")
    for side in (row.messages, row.rejected):
        assert spoken(side)[:2] == [("system", "Be exact."), ("user", "Add.\n\n1 2")]


def test_columns_of_other_names_are_named() -> None:
    value = {"q": "Hi?", "yes": "Hello!", "no": "What."}
    row = row_of(value, columns={"prompt": "q", "chosen": "yes", "rejected": "no"})
    assert spoken(row.rejected)[-1] == ("assistant", "What.")


def test_what_both_conversations_begin_with_is_not_learned() -> None:
    before = [ASKED, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Well?"}]
    row = row_of({"chosen": [*before, GOOD], "rejected": [*before, BAD]})
    assert [m.get("weight") for m in row.messages] == [None, 0, None, None]
    assert row.shared == 3


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("same-answer", {"prompt": "Hi?", "chosen": "Hello!", "rejected": "Hello!"}),
        ("empty-answer", {"prompt": "Hi?", "chosen": "Hello!", "rejected": " "}),
        ("empty-text", {"prompt": "", "chosen": "Hello!", "rejected": "What."}),
        ("no-prompt", {"chosen": "Hello!", "rejected": "What."}),
        ("no-answer", {"chosen": [ASKED, GOOD], "rejected": [ASKED]}),
        ("no-answer", {"chosen": [ASKED, GOOD], "rejected": [ASKED, {"role": "tool", "content": "x"}]}),
        ("other-prompt", {"chosen": [ASKED, GOOD], "rejected": [{"role": "user", "content": "Ho?"}, BAD]}),
        ("other-prompt", {"prompt": "Else?", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]}),
    ],
)
def test_what_is_no_pair_is_refused_with_a_reason(code: str, value: dict[str, Any]) -> None:
    with pytest.raises(RowRefused) as caught:
        row_of(value)
    assert caught.value.code == code


def test_pairs_are_never_learned_as_examples_and_examples_never_as_pairs() -> None:
    with pytest.raises(DataError, match="preference pairs.*sft"):
        detect([FORMS["texts"]], recipe(method="sft"))
    with pytest.raises(DataError, match="hold none"):
        detect([{"prompt": "a", "completion": "b"}], recipe(method="dpo"))
    assert detect([FORMS["texts"]], recipe(columns={"prompt": "prompt", "completion": "chosen"})).kind != "preference"


def test_two_pairs_that_differ_in_the_rejected_answer_alone_are_two_rows() -> None:
    rows = [row_of(FORMS["texts"] | {"rejected": words}) for words in ("What.", "Go away.")]
    assert content_hash(rows[0]) != content_hash(rows[1])
    assert words_of(rows[0]) != words_of(rows[1])


def whole(data: list[dict[str, Any]], tokenizer: PreTrainedTokenizerFast, folder: Path, **keys: Any) -> Prepared:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in data))
    return prepare(load_recipe({"data": str(path), **keys}), tokenizer, cache=folder / "cache")


def made_up(count: int) -> list[dict[str, Any]]:
    return [
        {"prompt": f"What of {n} and {n * n}?", "chosen": f"It is {n * 7}.", "rejected": f"No idea of {n}"}
        for n in range(count)
    ]


def test_a_pair_is_a_prompt_with_two_answers(make_tokenizer: Maker, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(CHATML)
    prepared = whole(made_up(30), tokenizer, tmp_path, split={"near_duplicates": False})
    renderer = Renderer(tokenizer)
    assert len(prepared.segments) == 90 and prepared.ledger.summary()["trained"] == 24
    for n, value in enumerate(made_up(30)):
        root, chosen, rejected = (prepared.segments[3 * n + k] for k in range(3))
        assert root.supervised == 0 and root.ids == renderer.prompt_ids([{"role": "user", "content": value["prompt"]}])
        assert chosen.parent == rejected.parent == 3 * n
        stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
        for answer, words in ((chosen, value["chosen"]), (rejected, value["rejected"])):
            learned = [token for token, weight in zip(answer.ids, answer.weights, strict=True) if weight]
            assert tokenizer.decode(learned[:-1]) == words and learned[-1] == stop
            assert answer.weights[0] == 1.0


def test_pairs_come_out_of_the_cache_as_they_went_in(make_tokenizer: Maker, tmp_path: Path) -> None:
    first, again = (whole(made_up(30), make_tokenizer(CHATML), tmp_path) for _ in range(2))
    assert list(first.segments) == list(again.segments)
    assert first.test_rows == again.test_rows and first.test_rows[0].rejected
    with pytest.raises(DataError, match="sft does not learn"):
        whole(made_up(30), make_tokenizer(CHATML), tmp_path, method="sft")


def test_a_pair_that_is_too_long_on_either_side_is_dropped(make_tokenizer: Maker, tmp_path: Path) -> None:
    data = made_up(30)
    data[3]["rejected"] = "long " * 200
    prepared = whole(data, make_tokenizer(CHATML), tmp_path, max_tokens=200, drop_budget=0.1)
    assert prepared.ledger.dropped() == {"too-long": 1}


def test_answers_that_merge_with_the_prompt_begin_at_the_first_token_that_differs() -> None:
    chosen = Rendered([1, 2, 30, 4], [0.0, 0.0, 1.0, 1.0], "", [])
    rejected = Rendered([1, 20, 5], [0.0, 0.0, 1.0], "", [])
    root, one, other = pair_segments(chosen, rejected, 9, 12)
    assert (root.ids, one.ids, other.ids) == ([1], [2, 30, 4], [20, 5])
    assert (one.weights, other.weights) == ([0.0, 1.0, 1.0], [0.0, 1.0])
    assert one.parent == other.parent == 12


def test_answers_that_are_the_same_tokens_are_refused() -> None:
    side = Rendered([1, 2, 3], [0.0, 1.0, 1.0], "", [])
    with pytest.raises(RowRefused) as caught:
        pair_segments(side, side, 0, 0)
    assert caught.value.code == "same-answer"


@pytest.mark.parametrize(
    ("file", "usable", "dropped"),
    [
        ("formats/dpo_en_demo.json", 300, {}),
        ("raschka/instruction-data-with-preference.json", 1094, {"same-answer": 6}),
        ("hh_rlhf/harmless-base-test.jsonl.gz", 2308, {"no-answer": 4}),
    ],
)
def test_real_preference_data_is_read(data_dir: Path, file: str, usable: int, dropped: dict[str, int]) -> None:
    asked = load_recipe(data_dir / file)
    raws = list(read_source(asked.data))
    shape = detect([raw.value for raw in raws], asked)
    refused: dict[str, int] = {}
    rows = []
    for raw in raws:
        try:
            rows.append(to_row(raw, shape, asked))
        except RowRefused as refusal:
            refused[refusal.code] = refused.get(refusal.code, 0) + 1
    assert (len(rows), refused) == (usable, dropped)
    assert all(row.messages[-1]["role"] == "assistant" and row.rejected != row.messages for row in rows)
