"""Every file of the real data goes the whole way: found out, converted, rendered with GPT-2's tokenizer, counted."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from whet.data.read.source import read_source
from whet.data.render.inspect import supervised_pieces
from whet.data.render.renderer import Renderer
from whet.data.rows.convert import detect, to_row
from whet.errors import DataError
from whet.recipe.schema import Recipe

FILES: list[tuple[str, dict[str, Any], str, int]] = [
    ("gsm8k/train.jsonl", {}, "prompt-completion", 7473),
    ("gsm8k/test.jsonl", {}, "prompt-completion", 1319),
    (
        "gsm8k/example_model_solutions.jsonl",
        {"columns": {"prompt": "question", "completion": "ground_truth"}},
        "prompt-completion",
        1319,
    ),
    ("banking77/train.csv", {}, "label", 10003),
    ("banking77/test.csv", {}, "label", 3080),
    ("banking77/categories.json", {}, "text", 77),
    ("mbpp/mbpp.jsonl", {}, "prompt-completion", 974),
    ("medquad/medquad.jsonl", {}, "prompt-completion", 2811),
    ("raschka/instruction-data.json", {}, "alpaca", 1100),
    ("raschka/instruction-data-with-preference.json", {"format": "alpaca"}, "alpaca", 1100),
    ("raschka/instruction-data-with-response.json", {}, "alpaca", 110),
    ("raschka/eval-example-data.json", {}, "alpaca", 100),
    ("raschka/the-verdict.txt", {}, "text", 1),
    ("formats/glaive_toolcall_en_demo.json", {}, "sharegpt", 300),
    ("formats/kto_en_demo.json", {"format": "chat"}, "chat", 300),
    ("formats/kto_en_demo.json", {}, "unpaired", 300),
    (
        "formats/dpo_en_demo.json",
        {"columns": {"prompt": "conversations", "completion": "chosen"}},
        "prompt-completion",
        300,
    ),
    ("hh_rlhf/harmless-base-test.jsonl.gz", {"columns": {"text": "chosen"}, "dialect": "none"}, "text", 2312),
    ("tinystories_sample/tiny_stories.txt", {}, "text", 1),
    ("books", {}, "text", 34),
]
RENDERED = 150
"""Rows of each file that are rendered: enough for every form, and the suite stays quick."""


@pytest.mark.parametrize(("name", "keys", "kind", "count"), FILES, ids=[f"{file[0]} as {file[2]}" for file in FILES])
def test_a_real_file_goes_the_whole_way(
    data_dir: Path, gpt2: Any, name: str, keys: dict[str, Any], kind: str, count: int
) -> None:
    recipe = Recipe(data=str(data_dir / name), **keys)
    raws = list(read_source(recipe.data))
    shape = detect([raw.value for raw in raws], recipe)
    assert (shape.kind, len(raws)) == (kind, count)
    renderer = Renderer(gpt2)
    limit = 2 if kind == "text" and count < 50 else RENDERED
    for raw in islice(raws, limit):
        row = to_row(raw, shape, recipe)
        rendered = renderer.render(row)
        assert gpt2.decode(rendered.ids).removesuffix("<|endoftext|>") in rendered.text + "<|endoftext|>"
        learned = [text for text, supervised in supervised_pieces(rendered, gpt2) if supervised]
        if row.messages:
            answers = [m for m in row.messages if m["role"] == "assistant" and m.get("weight") != 0]
            assert len(learned) == len(answers) and all(text.endswith("<|endoftext|>") for text in learned)
            for text, answer in zip(learned, answers, strict=True):
                assert answer["content"].strip() in text
                assert all(call["function"]["name"] in text for call in answer.get("tool_calls", []))
            before = row.messages.index(answers[-1])
            prompt = renderer.prompt_ids(row.messages[:before], row.tools)
            last = rendered.text.rfind(learned[-1])
            assert rendered.text[:last] == gpt2.decode(prompt)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gsm8k/example_model_solutions.jsonl", "cannot tell what to learn"),
        ("stories260K/tok512.bin", "cannot tell the format"),
    ],
)
def test_real_files_that_mean_something_else_are_refused_with_a_fix(data_dir: Path, name: str, words: str) -> None:
    recipe = Recipe(data=str(data_dir / name))
    with pytest.raises(DataError, match=words) as raised:
        detect([raw.value for raw in read_source(recipe.data)], recipe)
    assert raised.value.fix
