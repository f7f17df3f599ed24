"""What a chat template puts around each turn, found by rendering; and whether that is all it does.

Ollama's templates are Go, which no tool translates from Jinja. Most chat templates do one thing: a fixed text before
and after each turn, by its role, a fixed text at the start, and one where the answer begins; some write a system prompt
of their own where none is given. That much can be written in Go. Whatever else a template does shows in one of the
talks below, and then there is no translation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from whet.types import Message


class Write(Protocol):
    """A chat template: a talk as it writes it, up to where the answer begins; or, not `answering`, up to its last turn.
    Raises Exception where the template refuses."""

    def __call__(self, talk: list[Message], answering: bool = True) -> str: ...


MARKS = {"system": "SYSTEMMARK", "user": "USERMARK", "assistant": "ASSISTANTMARK"}
SECOND = "SECONDMARK"


@dataclass(frozen=True, slots=True)
class ChatShape:
    start: str
    """Before the first turn."""
    around: dict[str, tuple[str, str]]
    """Of each role: before and after its content."""
    default: str
    """Before the first turn where there is no system prompt, in place of one."""
    answer: str
    """Where the answer begins."""

    def write(self, talk: Sequence[Message]) -> str:
        text = self.start
        if not talk or talk[0]["role"] != "system":
            text += self.default
        for message in talk:
            before, after = self.around[message["role"]]
            text += f"{before}{message['content']}{after}"
        return text + self.answer


@dataclass(frozen=True, slots=True)
class Differs:
    """Why a template is no such shape."""

    what: str


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def shape_of(write: Write) -> ChatShape | Differs:
    """The shape of a chat template, held against it on many talks."""
    try:
        shape = _guess(write)
    except _NoShape as error:
        return Differs(str(error))

    for talk in TALKS:
        try:
            wanted = write(talk)
        except Exception as error:
            if _is_usual(talk):
                return Differs(f"it refuses a usual talk ({' '.join(str(error).split())[:80]})")

            continue  # a talk that the template refuses, Ollama will write; that is no other text for the same talk

        if shape.write(talk) != wanted:
            roles = ", ".join(message["role"] for message in talk)
            return Differs(f"it does more than put a fixed text around each turn (seen with: {roles})")

    return shape


def cuts_blanks(write: Write, shape: ChatShape) -> bool:
    """Whether the template cuts the blanks around a content, which Go templates of Ollama cannot."""
    talk = [_turn("user", " a ")]
    return shape.write(talk) != write(talk)


class _NoShape(Exception):
    pass


def _guess(write: Write) -> ChatShape:
    """From three talks, each content a mark that stands nowhere else."""
    user, assistant = _turn("user", MARKS["user"]), _turn("assistant", MARKS["assistant"])
    again, system = _turn("user", SECOND), _turn("system", MARKS["system"])
    alone = _cut(write([user]), MARKS["user"])
    long = _cut(write([user, assistant, again]), MARKS["user"], MARKS["assistant"], SECOND)
    told = _cut(write([system, user, assistant, again]), *MARKS.values(), SECOND)
    after_user = _cut(write([user], answering=False), MARKS["user"])[1]
    after_assistant = _cut(write([user, assistant], answering=False), MARKS["user"], MARKS["assistant"])[2]
    before_assistant, answer = _after(long[1], after_user), _after(long[3], after_user)
    before_user = _after(long[2], after_assistant)
    after_system = _before(told[1], before_user)
    first = _before(alone[0], before_user)
    start = _common_start(told[0], first)
    around = {
        "system": (told[0][len(start) :], after_system),
        "user": (before_user, after_user),
        "assistant": (before_assistant, after_assistant),
    }
    default = first[len(start) :]

    return ChatShape(start, around, default, answer)


def _cut(text: str, *marks: str) -> list[str]:
    """What stands between the marks. Raises _NoShape where one of them does not stand there once, in this order."""
    parts = []
    for mark in marks:
        if text.count(mark) != 1:
            raise _NoShape("it leaves contents out, or writes them twice")
        before, _, text = text.partition(mark)
        parts.append(before)
    return [*parts, text]


def _common_start(one: str, other: str) -> str:
    length = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:length]


def _after(text: str, start: str) -> str:
    if not text.startswith(start):
        raise _NoShape("what it writes around a turn depends on the turns beside it")
    return text[len(start) :]


def _before(text: str, end: str) -> str:
    if not text.endswith(end):
        raise _NoShape("what it writes around a turn depends on the turns beside it")
    return text[: len(text) - len(end)]


def _is_usual(talk: Sequence[Message]) -> bool:
    """What every chat template should write: an optional system prompt, then user and assistant in turn."""
    roles = [message["role"] for message in talk if message["role"] != "system"]
    return roles == (["user", "assistant"] * len(roles))[: len(roles)] and all(message["content"] for message in talk)


TALKS: list[list[Message]] = [
    [_turn("user", "Hello")],
    [_turn("user", "x")],
    [_turn("system", "Be kind."), _turn("user", "What is 2+3?")],
    [_turn("system", ""), _turn("user", "Hello")],
    [_turn("user", "{{ .Content }} {% if x %} \\n \"quoted\" <b>&amp;")],
    [_turn("user", "One\n\nTwo"), _turn("assistant", "Three"), _turn("user", "Four")],
    [_turn("system", "Be kind."), _turn("user", "a"), _turn("assistant", "b"), _turn("user", "c"),
     _turn("assistant", "d"), _turn("user", "Grüße, 你好 👍🏽")],
]  # fmt: skip


def writer_of(tokenizer: Any) -> Write:
    """A tokenizer's chat template, as transformers renders it."""

    def write(talk: list[Message], answering: bool = True) -> str:
        return tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=answering)

    return write
