"""What the base itself says to general prompts: replay that needs no corpus, and no licence but the base's own.

Written once and kept in the cache under a name made of everything that it depends on. Chat prompts are answered
greedily, as the base would be used; beginnings of texts are continued by drawing, because greedy prose repeats itself.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.data.read.source import RawRow, fingerprint, read_source
from whet.data.refused import RowRefused
from whet.data.render.renderer import Renderer
from whet.data.rows.convert import to_row
from whet.data.rows.format_detector import detect
from whet.errors import DataError
from whet.generation.engine import Sampling, generate
from whet.model.base import Base
from whet.observer import Observer, counted
from whet.recipe.schema import Distil, Recipe
from whet.store.atomic import write_text
from whet.types import Completion, Segment

OWN_PROMPTS = "general.jsonl"
"""What a base may bring in its folder."""
SHIPPED_PROMPTS = Path(__file__).with_name("general_prompts.jsonl")
"""What every other base is asked: prompts and beginnings of texts, written for Whet, in ten languages."""
CHAT = Sampling(max_new_tokens=64)
TEXT = Sampling(max_new_tokens=96, temperature=1.0, seed=1)
HELD_BACK = 5
DRAWS = 2
"""Continuations of each beginning of a text."""
POOLS = (8, 16, 32, 64, 128, 256, 512)
"""Prompts that are asked: the first of these that is enough, else all of them."""
OWN_TOKENS, SHIPPED_TOKENS = 40, 240
"""Tokens of replay that a prompt serves. The bundled base brings short prompts of its own, about 40 tokens with what is
said to them, and comes back to none as long as there are others: held to 33 that came again and again it lost 13% on
general text, held to 256, 2.7%. Whet's have about 80, come up to three times, and each costs the base's time to write:
SmolLM2-135M held to 64 lost 2.2%."""


@dataclass(frozen=True, slots=True)
class GeneralPrompt:
    """A prompt in tokens, where it comes from, and whether it is the beginning of a text."""

    where: str
    ids: list[int]
    text: bool
    words: str
    """Its last message, or the beginning."""
    reference: str = ""
    """The answer that the file gives, where it gives one."""


def prompts_file(asked: str | None, base_folder: str) -> Path:
    """The file of general prompts: the user's, else the one that the base brings, else the one that Whet brings."""
    if asked is not None:
        return Path(asked)
    own = Path(base_folder) / OWN_PROMPTS
    return own if own.is_file() else SHIPPED_PROMPTS


def read_asked(path: Path, renderer: Renderer, tokenizer: Any) -> list[GeneralPrompt]:
    """Every row of the file as a prompt, conversations first. Raises DataError, naming the row; of Whet's own prompts
    those that the base's template refuses are left out."""
    chats: list[RawRow] = []
    beginnings: list[GeneralPrompt] = []
    for raw in read_source(str(path)):
        if isinstance(raw.value, dict) and set(raw.value) == {"text"}:
            text = str(raw.value["text"])
            beginnings.append(GeneralPrompt(raw.where, tokenizer(text)["input_ids"], True, text))
        else:
            chats.append(raw)

    return [*_chats(chats, path, renderer), *beginnings]


def learns_answers(path: Path, tokenizer: Any) -> bool:
    """Whether what the base answers to this file's conversations is learned. Of Whet's own, a base without a chat
    template is asked the beginnings of texts alone: it was never taught to answer, so its words there are noise."""
    return path != SHIPPED_PROMPTS or bool(tokenizer.chat_template)


def _chats(raws: list[RawRow], path: Path, renderer: Renderer) -> Iterator[GeneralPrompt]:
    if not raws:
        return

    recipe = Recipe(data=str(path), method=Distil(teacher="nano"))  # a method that needs prompts only
    shape = detect((raw.value for raw in raws), recipe, (raw.where for raw in raws))
    for raw in raws:
        try:
            row = to_row(raw, shape, recipe)
            ids = renderer.prompt_ids(row.prompt, row.tools)
        except RowRefused as refusal:
            if path == SHIPPED_PROMPTS:
                continue  # as by a template that knows no system prompt: nobody can mend that, and the others do

            raise DataError(refusal.what, where=raw.where, value=refusal.value, fix=refusal.fix) from refusal

        if isinstance(raw.value, dict):
            given = raw.value.get("answer")
        else:
            given = None

        words = str(row.prompt[-1].get("content") if row.prompt else "")
        yield GeneralPrompt(raw.where, ids, False, words, row.reference or str(given or ""))


def for_replay(asked: list[GeneralPrompt]) -> list[GeneralPrompt]:
    """What may be learned: all but every fifth prompt."""
    return [prompt for place, prompt in enumerate(asked) if place % HELD_BACK]


def held_back(asked: list[GeneralPrompt]) -> list[GeneralPrompt]:
    """Every fifth prompt, which is never learned: what a scale is chosen on. One that the replay holds, too, is left
    out."""
    learned = {prompt.words for prompt in for_replay(asked)}
    fifth = asked[::HELD_BACK]
    return [prompt for prompt in fifth if not prompt.text and prompt.words not in learned]


def fitting(asked: list[GeneralPrompt], context: int) -> list[GeneralPrompt]:
    """Those with room for an answer. Call it after these two, so that both count the same prompts."""
    return [prompt for prompt in asked if 0 < len(prompt.ids) < context]


def pool(asked: list[GeneralPrompt], tokens: int | None, shipped: bool) -> list[GeneralPrompt]:
    """As many prompts as a run that replays so many tokens needs, conversations and texts in the same proportion. The
    numbers are round, so that runs of about the same length share what is written."""
    if tokens is None:
        wanted = len(asked)
    else:
        wanted = tokens / (SHIPPED_TOKENS if shipped else OWN_TOKENS)

    most = next((size for size in POOLS if size >= wanted), len(asked))
    if most >= len(asked):
        return asked
    drawn = set(random.Random(0).sample(range(len(asked)), most))

    return [prompt for place, prompt in enumerate(asked) if place in drawn]


def own_samples(
    base: Base,
    renderer: Renderer,
    path: Path,
    cache: Path,
    observer: Observer,
    tokens: int | None = None,
) -> list[tuple[GeneralPrompt, Segment]]:
    """Each prompt with what the base says to it, as a segment whose answer is supervised. `row` counts the samples.
    Of many prompts only so many are asked as `tokens` of replay need.

    `base.model` must be the base itself: no adapter, not yet trained. Raises as `read_asked` and `generate` do.
    """
    learned = for_replay(read_asked(path, renderer, base.tokenizer))
    if not learns_answers(path, base.tokenizer):
        learned = [prompt for prompt in learned if prompt.text]

    asked = pool(fitting(learned, base.context), tokens, path == SHIPPED_PROMPTS)
    file = cache / f"own-{_key(base, renderer, path)[:24]}-{len(asked)}.jsonl"
    if not file.is_file():
        _write_samples(file, _answers(base, renderer, asked, observer))

    prompt_of_sample: list[GeneralPrompt] = []
    for prompt in asked:
        prompt_of_sample += [prompt] * _draws(prompt)

    stored = [json.loads(line)["ids"] for line in file.read_text("utf-8").splitlines()]
    if len(stored) != len(prompt_of_sample):
        raise DataError("this file of samples is damaged", where=str(file), fix="remove it; it is written again")

    samples: list[tuple[GeneralPrompt, Segment]] = []
    for prompt, ids in zip(prompt_of_sample, stored, strict=True):
        if ids:
            samples.append((prompt, _segment(prompt.ids, ids, row=len(samples))))
    return samples


def _write_samples(file: Path, answers: list[Completion]) -> None:
    lines = []
    for answer in answers:
        lines.append(json.dumps({"ids": with_stop(answer), "text": answer.text}, ensure_ascii=False) + "\n")
    write_text(file, "".join(lines))


def _draws(prompt: GeneralPrompt) -> int:
    """How often a prompt is answered."""
    return DRAWS if prompt.text else 1


def with_stop(answer: Completion) -> list[int]:
    """The tokens of an answer, and the stop token if the model itself ended it."""
    return answer.ids + ([] if answer.stop_id is None else [answer.stop_id])


def _segment(prompt: list[int], answer: list[int], row: int) -> Segment:
    return Segment(prompt + answer, [0.0] * len(prompt) + [1.0] * len(answer), row)


def _answers(base: Base, renderer: Renderer, asked: list[GeneralPrompt], observer: Observer) -> list[Completion]:
    answers: list[Completion] = []
    total = sum(_draws(prompt) for prompt in asked)
    for text, sampling, samples in ((False, CHAT, 1), (True, TEXT, DRAWS)):
        prompts = [prompt.ids for prompt in asked if prompt.text == text]
        answers += generate(
            base.model, base.tokenizer, prompts, renderer.stop_ids, sampling, context=base.context,
            progress=counted(observer, total, start=len(answers)), samples=samples,
        )  # fmt: skip

    return answers


def _key(base: Base, renderer: Renderer, path: Path) -> str:
    parts = [base.fingerprint, renderer.fingerprint, fingerprint(str(path)), repr(CHAT), repr(TEXT), str(DRAWS)]
    kinds = sorted({str(weight.dtype) for weight in base.model.parameters()})  # 4-bit weights are bytes
    return hashlib.sha256("\0".join([*parts, *kinds]).encode()).hexdigest()
