"""What a prompt has beside the question: nothing, an instruction, examples, passages; and how much of it fits.

Examples are turns of a conversation, taken from the training rows alone. The parts of a prompt are ordered by worth;
if a prompt is too long for the context, the least worthy part goes first, and that is counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from whet.data.batches.system_prefix import with_system
from whet.data.render.renderer import Renderer
from whet.data.retrieval.documents import Passage
from whet.data.retrieval.passages import with_passages
from whet.data.retrieval.retrievers import BM25, Retriever
from whet.errors import DataError, InputError
from whet.types import Message, Row


class PromptStyle(Protocol):
    """A way of making prompts."""

    @property
    def noun(self) -> str:
        """What its parts are called, in the plural; empty where there are none."""
        ...

    def parts(self, rows: Sequence[Row]) -> list[list[Any]]:
        """What each row's prompt could have beside the question, the most useful first."""
        ...

    def messages(self, row: Row, parts: Sequence[Any]) -> list[Message]:
        """The row's prompt with these parts."""
        ...


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """The row's own prompt, with an instruction in front if one is given."""

    system: str | None = None
    noun: str = ""

    def parts(self, rows: Sequence[Row]) -> list[list[Any]]:
        return [[] for _ in rows]

    def messages(self, row: Row, parts: Sequence[Any]) -> list[Message]:
        return with_instruction(self.system, row.prompt)


@dataclass(frozen=True, slots=True)
class Prompted:
    """The row's own prompt with `system` after its own instruction, and its last question put into `template`, which
    has {question} in it."""

    system: str | None = None
    template: str | None = None
    noun: str = ""

    def parts(self, rows: Sequence[Row]) -> list[list[Any]]:
        return [[] for _ in rows]

    def messages(self, row: Row, parts: Sequence[Any]) -> list[Message]:
        messages = list(row.prompt)
        if self.template is not None:
            last = max((n for n, message in enumerate(messages) if message["role"] == "user"), default=None)
            if last is None:
                question_of(row)  # raises, and says which row
            else:
                said = self.template.replace("{question}", question_of(row))
                messages[last] = {**messages[last], "content": said}

        if self.system is None:
            return messages
        own, rest = split_instructions(messages)
        texts = [str(message.get("content") or "") for message in own]
        return with_system("\n\n".join([*texts, self.system]), rest)


@dataclass(frozen=True, slots=True)
class FewShot:
    """Training rows as earlier turns. `choose` gives each row its examples; the best stands nearest to the question."""

    choose: Callable[[Sequence[Row]], list[list[Row]]]
    system: str | None = None
    noun: str = "examples"

    def parts(self, rows: Sequence[Row]) -> list[list[Row]]:
        return self.choose(rows)

    def messages(self, row: Row, parts: Sequence[Row]) -> list[Message]:
        own, question = split_instructions(row.prompt)
        turns: list[Message] = []
        for example in reversed(parts):
            turns += example_turns(example)
        return with_instruction(self.system, [*own, *turns, *question])


@dataclass(frozen=True, slots=True)
class WithPassages:
    """Passages found for the last question, put into it by a template with {passages} and {question}."""

    retriever: Retriever
    count: int
    template: str
    system: str | None = None
    noun: str = "passages"

    def parts(self, rows: Sequence[Row]) -> list[list[Passage]]:
        passages = []
        for hits in self.retriever.search([question_of(row) for row in rows], self.count):
            passages.append([hit.passage for hit in hits])
        return passages

    def messages(self, row: Row, parts: Sequence[Passage]) -> list[Message]:
        texts = [passage.text for passage in parts]
        return with_instruction(self.system, with_passages(row.prompt, texts, self.template))


@dataclass(frozen=True, slots=True)
class FittedPrompts:
    """The prompts of all rows, and what had to be left out of them."""

    noun: str
    messages: list[list[Message]]
    tokens: list[list[int]]
    parts: list[list[Any]]
    """What stands beside each question."""
    offered: int
    """Parts that each prompt was to have."""
    reduced: int
    """Rows whose prompt holds fewer of them."""
    bare: int
    """Rows whose prompt holds none of them."""
    kept: float
    """Mean number of parts."""


def fit_to_context(style: PromptStyle, rows: Sequence[Row], renderer: Renderer, room: int) -> FittedPrompts:
    """Prompts of at most `room` tokens. Raises InputError if a prompt without any part is still longer."""
    messages, tokens, used, offered = [], [], [], []
    for row, parts in zip(rows, style.parts(rows), strict=True):
        kept = list(parts)
        asked = style.messages(row, kept)

        ids = renderer.prompt_ids(asked, row.tools)
        while len(ids) > room and kept:
            kept.pop()
            asked = style.messages(row, kept)
            ids = renderer.prompt_ids(asked, row.tools)

        if len(ids) > room:
            what = f"the prompt has {len(ids)} tokens, and beside the answer there is room for {room}"
            raise InputError(what, where=row.where, fix="shorten compare.system, or lower evaluate.max_new_tokens")

        messages.append(asked)
        tokens.append(ids)
        used.append(kept)
        offered.append(len(parts))

    counts = [len(kept) for kept in used]
    fewer = sum(count < whole for count, whole in zip(counts, offered, strict=True))
    bare = sum(count == 0 < whole for count, whole in zip(counts, offered, strict=True))
    return FittedPrompts(style.noun, messages, tokens, used, max(offered), fewer, bare, sum(counts) / len(counts))


def no_prompts(rows: int) -> FittedPrompts:
    """Of what answers without reading."""
    nothing: list[list[Any]] = [[] for _ in range(rows)]
    return FittedPrompts("", nothing, nothing, nothing, 0, 0, 0, 0.0)


def same_examples(pool: Sequence[Row], count: int, seed: int) -> Callable[[Sequence[Row]], list[list[Row]]]:
    """The same examples for every row, drawn by the seed; with labels, of as many different ones as there is room for.

    The first examples of a larger `count` are those of a smaller one."""
    drawn = random.Random(seed).sample(range(len(pool)), len(pool))
    seen: dict[str | None, int] = {}

    turn = []
    for number in drawn:  # the n-th row of each label before the (n + 1)-th of any
        label = pool[number].label
        order = 0
        if label is not None:
            order = seen.get(label, 0)
        turn.append((order, number))
        seen[label] = seen.get(label, 0) + 1

    chosen = [pool[number] for _, number in sorted(turn, key=lambda pair: pair[0])[:count]]
    return lambda rows: [chosen for _ in rows]


def nearest_examples(pool: Sequence[Row], count: int) -> Callable[[Sequence[Row]], list[list[Row]]]:
    """For each row the training rows whose question is most like its own (BM25)."""
    searched = BM25([Passage(str(number), question_of(row), row.where) for number, row in enumerate(pool)])

    def choose(rows: Sequence[Row]) -> list[list[Row]]:
        examples = []
        for hits in searched.search([question_of(row) for row in rows], count):
            examples.append([pool[int(hit.passage.id)] for hit in hits])
        return examples

    return choose


def usable_examples(rows: Sequence[Row], part: str = "training") -> list[Row]:
    """Rows of a part that end in an answer of words and call no tools. Raises DataError without any."""
    found = [row for row in rows if row.reference.strip() and not row.tools and row.prompt]
    if not found:
        what = f"the few-shot arms need {part} rows with a question, an answer in words and no tools; there are none"
        fix = "take the arms few-shot and few-shot-nearest out of compare.arms, or bring such rows"
        raise DataError(what, fix=fix)
    return found


def example_turns(row: Row) -> list[Message]:
    """A row as turns of a conversation, without instructions and without keys of Whet's own."""
    _, turns = split_instructions(row.messages)
    return [{"role": turn["role"], "content": turn.get("content")} for turn in turns]


def question_of(row: Row) -> str:
    """The last message of the user, which is what is looked up."""
    asked = [message for message in row.prompt if message["role"] == "user"]
    if not asked:
        raise DataError("the row asks nothing: it has no message of a user", where=row.where, fix="remove the row")
    return str(asked[-1].get("content") or "")


def with_instruction(system: str | None, messages: list[Message]) -> list[Message]:
    """With the user's instruction, which takes the place of the row's own."""
    if system is None:
        return messages
    _, rest = split_instructions(messages)
    return with_system(system, rest)


def split_instructions(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """(instructions, all other messages)."""
    own = [message for message in messages if message["role"] in ("system", "developer")]
    rest = [message for message in messages if message["role"] not in ("system", "developer")]
    return own, rest
