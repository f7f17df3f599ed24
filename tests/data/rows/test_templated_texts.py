"""Text that is already written in a chat template: read as turns where that is proved, asked about where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.rows.test_preferences import recipe, spoken
from whet.data.prepare import prepare
from whet.data.pretrain.corpus import prepare_corpus
from whet.data.read.source import RawRow
from whet.data.render.renderer import Renderer
from whet.data.rows import templated_texts
from whet.data.rows.convert import RowRefused, detect, to_row
from whet.data.rows.dialects import KNOWN
from whet.data.rows.format_detector import Detector
from whet.data.rows.templated_texts import NotProved, is_marked, turns_of
from whet.errors import DataError
from whet.model.base import load_tokenizer
from whet.recipe.load import load_recipe
from whet.recipe.schema import Pretrain
from whet.types import Row

CHATML = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>\n"
BELOW = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)
LLAMA3 = "<|start_header_id|>{}<|end_header_id|>\n\n{}<|eot_id|>"
ASKED = [("user", "Hi?"), ("assistant", "Hello!")]
WITH_SYSTEM = [("system", "Be brief."), *ASKED]

TEXTS: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "chatml": ("chatml", CHATML.format("Hi?", "Hello!"), ASKED),
    "chatml, another end": (
        "chatml",
        CHATML.format("Hi?", "Hello!").removesuffix("<|im_end|>\n") + "<|endoftext|>",
        ASKED,
    ),
    "llama 3": (
        "llama-3",
        "<|begin_of_text|>" + "".join(LLAMA3.format(role, words) for role, words in WITH_SYSTEM),
        WITH_SYSTEM,
    ),
    "llama 2": ("inst", "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi? [/INST] Hello! </s>", WITH_SYSTEM),
    "mistral": (
        "inst",
        "<s>[INST] Hi? [/INST] Hello!</s>[INST] And? [/INST] No.</s>",
        [*ASKED, ("user", "And?"), ("assistant", "No.")],
    ),
    "mistral 7": ("inst", "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hi?[/INST]Hello!</s>", WITH_SYSTEM),
    "alpaca": ("alpaca", f"{BELOW}\n\n### Instruction:\nHi?\n\n### Response:\nHello!</s>", ASKED),
    "alpaca with input": (
        "alpaca",
        f"{INPUT}\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n3",
        [("user", "Add.\n\n1 2"), ("assistant", "3")],
    ),
    "alpaca, another preamble": (
        "alpaca",
        "Be brief.\n\n### Instruction:\nHi?\n\n### Response:\nHello!<|endoftext|>",
        WITH_SYSTEM,
    ),
    "alpaca in one line": ("alpaca", "### Instruction: Hi? ### Response: Hello!", ASKED),
    "questions": ("questions", "### Question:\nHi?\n### Answer:\nHello!", ASKED),
    "oig": ("oig", "<human>: Hi?\n<bot>: Hello!", ASKED),
    "human and ai": ("human-ai", "Human: Hi?\nAI: Hello!", ASKED),
    "guanaco": ("guanaco", "### Human: Hi?### Assistant: Hello!", ASKED),
    "headings": ("headings", "### System:\nBe brief.\n\n### User:\nHi?\n\n### Assistant:\nHello!", WITH_SYSTEM),
    "vicuna": ("vicuna", "Be brief. USER: Hi? ASSISTANT: Hello!</s>", WITH_SYSTEM),
    "gemma": ("gemma", "<bos><start_of_turn>user\nHi?<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>", ASKED),
    "phi 3, and nano": ("phi-3", "<|user|>\nHi?<|end|>\n<|assistant|>\nHello!<|end|>\n", ASKED),
    "zephyr": ("zephyr", "<|system|>\nBe brief.</s>\n<|user|>\nHi?</s>\n<|assistant|>\nHello!</s>", WITH_SYSTEM),
    "tulu": ("tulu", "<|user|>\nHi?\n<|assistant|>\nHello!<|endoftext|>", ASKED),
    "glm": ("glm", "[gMASK]<sop><|user|>\nHi?<|assistant|>\nHello!", ASKED),
    "deepseek": (
        "deepseek",
        "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Hi?<｜Assistant｜>Hello!<｜end▁of▁sentence｜>",
        WITH_SYSTEM,
    ),
    "openchat": (
        "openchat",
        "GPT4 Correct User: Hi?<|end_of_turn|>GPT4 Correct Assistant: Hello!<|end_of_turn|>",
        ASKED,
    ),
    "hh": ("transcript", "\n\nHuman: Hi?\n\nAssistant: Hello!", ASKED),
    "an indented answer": (
        "chatml",
        CHATML.format("Code?", "    x = 1\n\n    y = 2"),
        [("user", "Code?"), ("assistant", "    x = 1\n\n    y = 2")],
    ),
}


def row_of(value: Any, **keys: Any) -> Row:
    asked = recipe(**keys)
    return to_row(RawRow(0, "made-up.jsonl:1", value), detect([value], asked), asked)


@pytest.mark.parametrize(("dialect", "text", "turns"), TEXTS.values(), ids=TEXTS)
def test_a_templated_text_becomes_turns_and_says_so(dialect: str, text: str, turns: list[tuple[str, str]]) -> None:
    shape = detect([{"text": text}], recipe())
    assert (shape.kind, shape.dialect) == ("chat", dialect)
    assert "are read as turns: written back, it gave the same text" in " ".join(shape.notes)
    assert spoken(row_of({"text": text}).messages) == turns


def test_what_every_dialect_opens_a_turn_with_is_a_mark() -> None:
    """The quick look for hints must not hide a mark."""
    for dialect in KNOWN:
        opened = [opening for role, opening in dialect.opens.items() if role != "input"]
        text = "\n".join(f"{opening}\nx" for opening in sorted(opened, key=lambda o: o == dialect.opens["assistant"]))
        assert is_marked(text), dialect.name
        assert dialect.weak or all(is_marked(f"{opening}\nx") for opening in opened), dialect.name


def test_real_templates_are_turned_into_what_they_were_made_of_or_into_nothing(cases: list[dict]) -> None:
    """What 27 real templates render: messages come back as they were, after a system prompt of the template's own."""
    turned, unmarked = 0, set[str]()
    for case in cases:
        text, messages = case["target"], case["data"]["messages"]
        if not is_marked(text):
            unmarked.add(case["name"])
        if case["data"].get("tools") or not all(isinstance(m.get("content"), str) for m in messages):
            continue
        for dialect in KNOWN:
            try:
                found = turns_of(text, dialect).messages
            except NotProved:
                continue
            wanted = [(message["role"], message["content"].strip()) for message in messages]
            given = spoken(found)
            assert (
                given == wanted
                or (given[0][0] == "system" and given[1:] == wanted)
                or (wanted[0][0] == "system" and given[0][1].endswith(wanted[0][1]) and given[1:] == wanted[1:])
            ), case["name"]
            turned += 1
            break
    assert turned >= 7
    assert unmarked == {"blenderbot_small", "gpt_neox"}, "templates that write no role at all"


WRONG: dict[str, tuple[str, str]] = {
    "an unclosed turn": (CHATML.format("Hi?", "Hello!").replace("<|im_end|>", "", 1), "does not end in <|im_end|>"),
    "an answer that is cut off": (CHATML.format("Hi?", "Hel").removesuffix("<|im_end|>\n"), "may be cut off"),
    "words before": ("Note: " + CHATML.format("Hi?", "Hello!"), "words come before"),
    "a mark within": (CHATML.format("What is <|im_end|>?", "A mark."), "still holds <|im_end|>"),
    "another template within": (CHATML.format("[INST] Hi? [/INST]", "Hello!"), "marks of another template"),
    "a role nobody knows": (CHATML.format("Hi?", "Hello!").replace("user", "narrator"), "words come before"),
    "two answers": (CHATML.format("Hi?", "Hello!") + "<|im_start|>assistant\nAgain<|im_end|>", "a turn of assistant"),
    "a tool call": (CHATML.format("Hi?", "<tool_call>\n{}\n</tool_call>"), "still holds <tool_call>"),
    "an image": (CHATML.format("<|vision_start|>What?", "A cat."), "still holds <|vision_start|>"),
    "a heading within an answer": (
        "### Instruction:\nHi?\n\n### Response:\nHello!\n\n### Input:\nx",
        "a turn of input follows one of assistant",
    ),
}


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG)
def test_what_is_not_proved_is_a_choice_of_two_settings(text: str, why: str) -> None:
    good = CHATML.format("Hi?", "Hello!") if "im_start" in text else "### Instruction:\nHi?\n\n### Response:\nHello!"
    rows = [{"text": good}, {"text": text}, {"text": good}]
    with pytest.raises(DataError, match="not every row can be read as turns") as caught:
        detect(rows, recipe(), ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3"])
    told = str(caught.value)
    assert why in told and "a.jsonl:2" in told and "dialect: none" in caught.value.fix
    name = "chatml" if "im_start" in text else "alpaca"
    assert f"dialect: {name}" in caught.value.fix
    # the first setting drops the row, the second learns every text as it stands and says so
    shape = detect(rows, recipe(dialect=name))
    with pytest.raises(RowRefused, match="the text is not in") as refused:
        to_row(RawRow(1, "a.jsonl:2", rows[1]), shape, recipe(dialect=name))
    assert refused.value.code == "not-in-dialect"
    shape = detect(rows, recipe(dialect="none"))
    assert to_row(RawRow(1, "a.jsonl:2", rows[1]), shape, recipe(dialect="none")).text == text
    assert "learned as words (dialect: none)" in shape.notes[-1]


def test_turns_that_give_another_text_when_they_are_written_again_are_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proof itself, whatever else is looked at before it."""
    right = templated_texts.written
    monkeypatch.setattr(templated_texts, "written", lambda *parts: right(*parts).replace("Hello", "Hallo"))
    with pytest.raises(DataError, match="not every row can be read as turns") as caught:
        detect([{"text": CHATML.format("Hi?", "Hello!")}, {"text": CHATML.format("Hi?", "Yes.")}], recipe())
    assert "written again, the turns give another text" in str(caught.value)


PAIRS: dict[str, tuple[str, str]] = {
    "cut before the words": ("<|im_start|>user\nHi?<|im_end|>\n<|im_start|>assistant\n", "Hello!<|im_end|>"),
    "cut before the header": ("<|im_start|>user\nHi?<|im_end|>", "<|im_start|>assistant\nHello!<|im_end|>"),
    "a bare answer": ("<|im_start|>user\nHi?<|im_end|>\n<|im_start|>assistant\n", "Hello!"),
    "an answer without its header": ("<|im_start|>user\nHi?<|im_end|>\n", "Hello!"),
    "a bare prompt": ("Hi?", "<|im_start|>assistant\nHello!<|im_end|>"),
    "inst": ("<s>[INST] Hi? [/INST]", " Hello! </s>"),
    "alpaca": (f"{BELOW}\n\n### Instruction:\nHi?\n\n### Response:\n", "Hello!"),
    "llama 3": (LLAMA3.format("user", "Hi?") + "<|start_header_id|>assistant<|end_header_id|>\n\n", "Hello!<|eot_id|>"),
    "hh": ("\n\nHuman: Hi?\n\nAssistant:", " Hello!"),
}


@pytest.mark.parametrize(("prompt", "answer"), PAIRS.values(), ids=PAIRS)
def test_prompts_and_answers_are_turned_together(prompt: str, answer: str) -> None:
    assert spoken(row_of({"prompt": prompt, "completion": answer}).messages) == ASKED
    assert spoken(row_of({"instruction": prompt, "input": "", "output": answer}).messages) == ASKED
    marked = row_of({"prompt": prompt, "completion": answer, "thumbs_up": True})
    assert [(role, words.strip()) for role, words in spoken(marked.messages)] == ASKED and marked.desirable is True
    worse = answer.replace("Hello!", "Go away.")
    pair = row_of({"prompt": prompt, "chosen": answer, "rejected": worse})
    assert spoken(pair.messages)[-1][1].strip() == "Hello!" and spoken(pair.messages)[0] == ASKED[0]
    assert spoken(pair.rejected or [])[-1][1].strip() == "Go away."


def test_whole_conversations_as_chosen_and_rejected_share_their_prompt() -> None:
    chosen, rejected = CHATML.format("Hi?", "Hello!"), CHATML.format("Hi?", "Go away.")
    for prompt in ({}, {"prompt": "Hi?"}):
        pair = row_of({**prompt, "chosen": chosen, "rejected": rejected})
        assert spoken(pair.messages) == ASKED and spoken(pair.rejected or [])[-1] == ("assistant", "Go away.")
    other = row_of({"prompt": "Hello?", "completion": chosen}, dialect="none")
    assert spoken(other.messages) == [("user", "Hello?"), ("assistant", chosen)]


def test_prompts_for_answers_of_its_own_are_turned_too() -> None:
    keys: dict[str, Any] = {"method": {"kind": "grpo", "rewards": [{"kind": "length", "most": 9}]}}
    row = row_of({"prompt": PAIRS["inst"][0]}, **keys)
    assert spoken(row.messages) == [ASKED[0]]


UNKNOWN = {
    "gemma 4": "<|turn>user\nHi?<turn|>\n<|turn>model\nHello!<turn|>",
    "minimax": "]~b]user\nHi?[e~[\n]~b]ai\nHello![e~[",
    "minimax 1": "<beginning_of_sentence>user name=User\nHi?<end_of_sentence>\n",
    "internlm": "<|User|>:Hi?<eoh>\n<|Bot|>:Hello!<eoa>",
    "baichuan": "<reserved_106>Hi?<reserved_107>Hello!",
    "stablelm alpha": "<|USER|>Hi?<|ASSISTANT|>Hello!",
    "seed": "<[begin▁of▁sentence]>user\nHi?<[end▁of▁sentence]>",
    "hunyuan": "<｜hy_User｜>Hi?<｜hy_Assistant｜>Hello!",
    "ernie": "<|begin_of_sentence|>User: Hi?\nAssistant: Hello!<|end_of_sentence|>",
    "another case": CHATML.format("Hi?", "Hello!").upper(),
    "escaped": CHATML.format("Hi?", "Hello!").replace("<", "&lt;").replace(">", "&gt;"),
    "tags": "<user>Hi?</user>\n<assistant>Hello!</assistant>",
    "headings of two": "## Instruction\nHi?\n\n## Response\nHello!",
    "a completion": "### Prompt:\nHi?\n\n### Completion:\nHello!",
    "no headings": "Instruction: Hi?\nResponse: Hello!",
    "phi 2": "Instruct: Hi?\nOutput: Hello!",
    "bold": "**User:** Hi?\n\n**Assistant:** Hello!",
}
"""Templates that are not known here: of a new model, of an old one, and of people's own."""


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "Hi?", "completion": "Hello!</s>"},
        {"prompt": "Hi?", "completion": "Hello!<|im_end|>"},
        {"prompt": "<|im_start|>user\nHi?<|im_end|>\n<|im_start|>assistant\nHel", "completion": "lo!"},
        {"messages": [{"role": "user", "content": PAIRS["alpaca"][0]}, {"role": "assistant", "content": "Hello!"}]},
        {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello!</s>"}]},
        {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello!<|endoftext|>"}]},
        {"text": PAIRS["inst"][0], "label": "greeting"},
        {"prompt": "Hi?", "answers": ["[INST] a [/INST] b", "c"], "scores": [1, 0]},
        {"text": "<|start|>user<|message|>Hi?<|end|><|start|>assistant<|channel|>final<|message|>Hello!<|return|>"},
        {"text": "### instruction\nHi?\n\n### response\nHello!"},
        {"text": "###User: Hi?\n###Bot: Hello!"},
        {"text": "<|HUMAN|>Hi?<|BOT|><|my_assistant|>Hello!"},
        *({"text": text} for text in UNKNOWN.values()),
    ],
)
def test_what_nobody_can_turn_is_never_learned_without_a_word(value: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="1 row of 1 hold the marks of a chat template") as caught:
        detect([value], recipe())
    assert "dialect: none" in caught.value.fix
    assert "learned as words" in " ".join(detect([value], recipe(dialect="none")).notes)


@pytest.mark.parametrize(
    "text",
    [
        "He wrote USER: on the form, and the assistant: nothing.",
        "### Response:\nThe headings of a report.",
        "if (a <| b |> c) { use<s>x</s> }",
        "The article says so. Human: we are.",
        "A plain text.<|endoftext|>",
        "### Why users like it\nIt is good.\n\n### Answers to questions\nNone.",
        "# Notes\n\n### Input:\nwater\n\n### Instruction:\nboil it",
        "# User guide\n\nPress the button.\n\n## Answers to questions\n\nNone.",
        "## Input\n\nOne number.\n\n## Output\n\nIts square.",
        "The instruction: boil it.\nThe output: steam.",
        "std::vector<user> all; // &lt;b&gt; <end> of sentence",
    ],
)
def test_ordinary_text_is_no_template(text: str) -> None:
    shape = detect([{"text": text}], recipe())
    assert shape.kind == "text" and shape.notes == ()


def test_half_a_file_is_asked_about_and_a_row_in_passing_is_named() -> None:
    plain, marked = {"text": "A story."}, {"text": CHATML.format("Hi?", "Hello!")}
    with pytest.raises(DataError, match="2 rows hold no such marks") as caught:
        detect([marked, plain, marked, plain], recipe())
    assert "dialect: chatml" in caught.value.fix
    shape = detect([*[plain] * 199, marked], recipe())
    assert shape.kind == "text" and "first row 200" in shape.notes[-1]


def test_a_dialect_that_no_row_is_in_is_refused() -> None:
    with pytest.raises(DataError, match="no row holds the marks of Gemma's template"):
        detect([{"text": "A story."}], recipe(dialect="gemma"))
    with pytest.raises(DataError, match="only texts in columns"):
        detect(["a plain text"], recipe(dialect="gemma"))


def test_the_bases_own_control_token_in_a_message_is_left_to_the_renderer() -> None:
    chat = {"messages": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello!<|end|>"}]}
    pair = {"prompt": "Hi?", "completion": "Hello!<|end|>"}
    control = load_renderer().control_tokens
    assert "<|end|>" in control
    for value in (chat, pair):
        with pytest.raises(DataError, match="hold the marks of a chat template"):
            detect([value], recipe())
        detector = Detector(value, recipe(), control=control)
        detector.add(value)
        with pytest.raises(RowRefused, match="turns into a control token"):
            load_renderer().render(to_row(RawRow(0, "a.jsonl:1", value), detector.settle(), recipe()))
    whole = {"text": "<|user|>Hi?<|end|><|assistant|>Hello!<|end|>"}
    detector = Detector(whole, recipe(), control=control)
    detector.add(whole)
    assert detector.settle().dialect == "phi-3"


def load_renderer() -> Renderer:
    return Renderer(load_tokenizer("nano"))


def test_a_file_in_chatml_trains_like_the_same_file_of_messages(tmp_path: Path) -> None:
    rows = [(f"Question {n}?", f"Answer {n * 7}.") for n in range(40)]
    forms = {
        "text.jsonl": [{"text": CHATML.format(*row)} for row in rows],
        "messages.jsonl": [
            {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
            for asked, said in rows
        ],
    }
    tokenizer, found = load_tokenizer("nano"), {}
    for name, values in forms.items():
        (tmp_path / name).write_text("".join(json.dumps(value) + "\n" for value in values))
        prepared = prepare(load_recipe(tmp_path / name), tokenizer)
        found[name] = [(segment.ids, segment.weights) for segment in prepared.segments]
        assert prepared.shape.kind == "chat"
        assert ("are read as turns" in " ".join(prepared.notes)) == (name == "text.jsonl")
    assert found["text.jsonl"] == found["messages.jsonl"]


def test_pretraining_says_that_it_learns_the_marks_and_reads_turns_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps({"text": CHATML.format(f"Q{n}?", f"A{n}.")}) + "\n" for n in range(30)))
    tokenizer = load_tokenizer("nano")
    asked = recipe(data=str(path), method=Pretrain())
    corpus = prepare_corpus(asked, tokenizer, cache=tmp_path / "cache")
    assert "pretrain learns text" in " ".join(corpus.notes)
    turned = prepare_corpus(asked.model_copy(update={"dialect": "chatml"}), tokenizer, cache=tmp_path / "cache")
    text = tokenizer.decode(turned.train[:40].tolist())
    assert "<|user|>Q" in text and "im_start" not in text
