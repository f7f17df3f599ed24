"""Texts in a chat template of which something would be learned wrongly without a word, if they were simply cut up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data.rows.test_preferences import recipe, spoken
from tests.data.rows.test_templated_texts import ASKED, CHATML, LLAMA3, row_of
from whet.data.read.source import read_source
from whet.data.rows.convert import detect
from whet.data.rows.row_format import RowFormat
from whet.data.rows.templated_texts import is_marked
from whet.errors import DataError

OPEN = "<|im_start|>user\nHi?<|im_end|>\n<|im_start|>assistant\n"
VICUNA = "USER: {} ASSISTANT: {}"
HEADER = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"


def shape_of(*values: dict[str, Any], **keys: Any) -> RowFormat:
    return detect(values, recipe(**keys))


def asked_about(*values: dict[str, Any]) -> DataError:
    with pytest.raises(DataError, match="hold the marks of a chat template") as caught:
        shape_of(*values)
    return caught.value


def test_a_prompt_beside_a_system_column_is_turned_and_named_rightly() -> None:
    keys: dict[str, Any] = {"method": {"kind": "grpo", "rewards": [{"kind": "length", "most": 9}]}}
    value = {"prompt": OPEN, "system": "Be brief."}
    assert shape_of(value, **keys).dialect == "chatml"
    assert spoken(row_of(value, **keys).messages) == [("system", "Be brief."), ASKED[0]]


def test_answers_within_a_prompt_are_read_and_not_learned() -> None:
    few = CHATML.format("Say hi.", "WRONG") + OPEN
    value = {"prompt": few, "completion": "Hello!"}
    answers = [turn for turn in row_of(value).messages if turn["role"] == "assistant"]
    weights = [(turn["content"], turn.get("weight", 1)) for turn in answers]
    assert weights == [("WRONG", 0), ("Hello!", 1)]
    for keys in ({}, {"dialect": "chatml"}):
        notes = " ".join(shape_of(value, **keys).notes)
        assert "2 turns of the user and 1 answer. 1 answer within a prompt is only read" in notes
    whole = row_of({"text": few + "Hello!<|im_end|>"})
    assert not any("weight" in turn for turn in whole.messages), "a whole conversation is learned as one of messages is"


def test_a_system_prompt_that_would_vanish_is_asked_about_and_the_recipes_is_named() -> None:
    own = "<|im_start|>system\nBe kind.<|im_end|>\n" + CHATML.format("Hi?", "Hello!")
    cut = own.index("Hello!")
    for texts in ({"text": own}, {"prompt": own[:cut], "completion": own[cut:]}):
        columns = {"text": "text", "system": "system"} if "text" in texts else {}
        with pytest.raises(DataError, match="the column 'system' is beside a system prompt of its own"):
            shape_of({**texts, "system": "Be brief."}, **({"columns": columns} if columns else {}))
        shape_of({**texts, "system": "Be kind."}, **({"columns": columns} if columns else {}))
    text = {"text": CHATML.format("Hi?", "Hello!"), "system": "Be brief."}
    named = {"text": "text", "system": "system"}
    assert spoken(row_of(text, columns=named).messages) == [("system", "Be brief."), *ASKED]
    notes = " ".join(shape_of({"text": own}, system="Be short.").notes)
    assert "1 text with a system prompt inside: there the recipe's is left out" in notes
    assert "system prompt" not in " ".join(shape_of({"text": CHATML.format("Hi?", "Hello!")}, system="Be short.").notes)


def test_a_heading_quoted_in_an_answer_is_no_turn_where_answers_have_an_end_mark() -> None:
    quoted = VICUNA.format("How is it written?", "Write " + VICUNA.format("Hi?", "Hello!"))
    good = VICUNA.format("Hi?", "Hello!</s>")
    assert "some of its answers end in </s>" in str(asked_about({"text": good}, {"text": quoted + "</s>"}))
    told = asked_about({"text": good}, {"text": quoted})
    assert "the answers of some rows end in </s>, and those of others do not" in str(told)
    assert "whether or not they are cut: dialect: vicuna" in told.fix
    notes = " ".join(shape_of({"text": good}, {"text": quoted}, dialect="vicuna").notes)
    assert "3 turns of the user and 3 answers. The answers of 1 texts end in </s>, those of 1 do not" in notes
    assert shape_of({"text": good + good}, {"text": good}).dialect == "vicuna"
    assert shape_of({"text": quoted}).dialect == "vicuna", "where no answer has a mark, none can be missed"


def test_an_answer_in_a_column_that_lacks_the_end_mark_of_all_others_is_asked_about() -> None:
    rows = [{"prompt": OPEN, "completion": f"{words}<|im_end|>"} for words in ("Hello!", "Good day!")]
    assert shape_of(*rows).dialect == "chatml"
    told = asked_about(*rows, {"prompt": OPEN, "completion": "Good eve"})
    assert "the answers of some rows end in <|im_end|>, and those of others do not" in str(told)
    assert shape_of(*({"prompt": OPEN, "completion": words} for words in ("Hello!", "Good day!"))).dialect == "chatml"


def test_a_dialect_that_would_drop_every_row_is_not_advised() -> None:
    prompt = "### Instruction:\nAdd.\n\n### Response:\n"
    filled = {"instruction": prompt, "input": "1 2", "output": "3"}
    told = asked_about(filled, filled)
    assert "Alpaca's template: the column 'input' is beside it" in str(told)
    assert "dialect: none" in told.fix and "dialect: phi-4" not in told.fix and "dialect: alpaca" not in told.fix
    mixed = asked_about(filled, filled | {"input": ""}, filled)
    assert "dialect: alpaca" in mixed.fix, "one of the rows would be kept"


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        (HEADER + "Be brief.", [("system", "Be brief.")]),
        (HEADER, []),
        ("Today Date: unknown\nBe brief.", [("system", "Today Date: unknown\nBe brief.")]),
    ],
)
def test_the_header_of_dates_is_no_system_prompt(system: str, wanted: list[tuple[str, str]]) -> None:
    text = "".join(LLAMA3.format(role, words) for role, words in [("system", system), *ASKED])
    assert spoken(row_of({"text": text}).messages) == [*wanted, *ASKED]


UNSEEN = {
    "words before": "You are kind.\n\nHuman: Hi?\n\nAssistant:",
    "words before, one line each": "You are kind.\nUser: Hi?\nAI:",
    "lower case": "user: Hi?\nassistant:",
    "letters": "Q: Hi?\nA:",
    "only the end": "This is a chat with a customer.\nShe: Hi?\nAssistant: ",
    "exaone": "[|user|]Hi?\n[|assistant|]",
    "vigogne": "[|Human|]: Hi?\n[|AI|]:",
}


@pytest.mark.parametrize("prompt", UNSEEN.values(), ids=UNSEEN)
def test_a_prompt_that_a_transcript_wrote_is_asked_about(prompt: str) -> None:
    assert "dialect: none" in asked_about({"prompt": prompt, "completion": "Hello!"}).fix
    keys: dict[str, Any] = {"method": {"kind": "grpo", "rewards": [{"kind": "length", "most": 9}]}}
    with pytest.raises(DataError, match="hold the marks of a chat template"):
        shape_of({"prompt": prompt}, **keys)
    if "Q:" not in prompt and "She:" not in prompt:
        asked_about({"text": f"{prompt} Hello!"})


@pytest.mark.parametrize(
    "prompt",
    [
        "Context: a\nQuestion: What is it?\nAnswer:",
        "Classify.\nText: it rains\nLabel:",
        "Write as my assistant:",
        "Which vitamin is it?\nA:",
        "user: root\nhome: /root",
        "services:\n  user: root\n  bot: yes\n  ai: no",
        "She said to the user: no.\nThe assistant: he was silent.",
    ],
)
def test_an_ordinary_prompt_is_no_transcript(prompt: str) -> None:
    shape = shape_of({"prompt": prompt, "completion": "Hello!"})
    assert shape.dialect is None and shape.notes == ()


REAL = ("gsm8k/test.jsonl", "mbpp/mbpp.jsonl", "raschka/instruction-data.json", "formats/dpo_en_demo.json", "books")


def test_no_text_of_real_files_is_taken_for_a_template(data_dir: Path) -> None:
    """Their prompts that end in A:, 5% of one file, are none either."""
    for name in REAL:
        for raw in read_source(str(data_dir / name)):
            assert not [text for text in texts_of(raw.value) if is_marked(text, "prompt")], raw.where


def test_letters_are_a_form_where_most_prompts_end_in_them() -> None:
    letters, plain = {"prompt": "Q: Hi?\nA:", "completion": "b"}, {"prompt": "Hi?", "completion": "b"}
    for rows in ([letters, plain], [plain, letters, plain]):
        assert shape_of(*rows).notes == ()
    assert "2 rows of 3 hold" in str(asked_about(letters, plain, letters))
    assert "learned as words (dialect: none)" in shape_of(letters, dialect="none").notes[-1]
    templated = {"prompt": OPEN, "completion": "Hello!"}
    assert "dialect: chatml" in asked_about(templated, letters, letters).fix


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_of(inner)
