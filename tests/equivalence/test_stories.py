"""A real trained model, converted from llama2.c, tells the story that its author's program tells, word for word."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import stories260k
from whet.data.batches.forest import build_batch
from whet.generation.engine import Sampling, generate
from whet.model.adapter import add_adapter, causal_lm
from whet.model.architecture_proof import install_forest
from whet.model.base import Base, load_base
from whet.model.policy import Policy
from whet.recipe.schema import Lora
from whet.types import Segment

BEGIN = 1


@pytest.fixture(scope="module")
def folder(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stories260k.convert(data_dir / "stories260K", tmp_path_factory.mktemp("stories") / "model")


@pytest.fixture
def base(folder: Path) -> Base:
    opened = load_base(str(folder), torch.float32)
    install_forest(opened.model)
    return opened


@pytest.fixture(scope="module")
def story(data_dir: Path) -> str:
    """The greedy story of the notes, between the first `run` command and the end of its block."""
    notes = (data_dir / "stories260K" / "stories260K.md").read_text()
    return notes.split("-t 0.0\n")[1].split("\n```")[0]


def tell(model: Any, base: Base, tokens: int) -> str:
    answer = generate(model, base.tokenizer, [[BEGIN]], frozenset({BEGIN}), Sampling(max_new_tokens=tokens))[0]
    return answer.text


def test_the_story_word_for_word(base: Base, story: str) -> None:
    length = len(base.tokenizer(story)["input_ids"]) - 1
    assert length > 200
    assert tell(base.model, base, length) == story


def test_the_story_with_an_adapter_of_zeros(base: Base, story: str) -> None:
    length = len(base.tokenizer(story)["input_ids"]) - 1
    adapted = add_adapter(base.model, Lora(rank=8, alpha=16.0), seed=0).eval()
    assert tell(causal_lm(adapted), base, length) == story


def test_the_story_is_likely(base: Base, story: str) -> None:
    """The author reports 1.30 nats a token on held-out stories; the model's own greedy story must be likelier."""
    ids = base.tokenizer(story)["input_ids"]
    batch = build_batch([Segment(ids, [0.0] + [1.0] * (len(ids) - 1), 0)])
    with torch.no_grad():
        nll = -float(Policy(base.model).logprobs(batch).sum()) / batch.weight
    assert nll < 1.0


def test_the_tokenizer_gives_every_text_back(base: Base, story: str) -> None:
    for text in (story, "a", "two  spaces", "tab\there", "line\n\nline", "café ☃ 漢字 🙂", '"quotes" & marks'):
        ids = base.tokenizer(text)["input_ids"]
        assert ids[0] == BEGIN and base.tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_tokenizer_is_llama2_cs(base: Base) -> None:
    """Merged by score, as run.c does: best pair anywhere, again and again."""
    for text in ("Once upon a time, there was a little girl", "She loved to play outside in the park."):
        assert base.tokenizer(text)["input_ids"][1:] == by_score(base, " " + text)


def by_score(base: Base, text: str) -> list[int]:
    vocabulary = base.tokenizer.get_vocab()
    ids = [vocabulary[character.replace(" ", "▁")] for character in text]
    pieces = {number: piece for piece, number in vocabulary.items()}
    while True:
        pairs = [(vocabulary.get(pieces[a] + pieces[b]), at) for at, (a, b) in enumerate(pairwise(ids))]
        known = [(merged, at) for merged, at in pairs if merged is not None]
        if not known:
            return ids
        merged, at = min(known)  # pieces are numbered by falling score
        ids[at : at + 2] = [merged]
