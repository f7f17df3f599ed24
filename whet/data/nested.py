"""Rows whose texts are already written in a chat template: watched for, read as turns where that is proved of every
row, asked about where it is not.

    text                    a whole conversation
    prompt + completion     together a conversation, cut anywhere before the answer's words; also chosen and rejected
    messages                a template within a message cannot be turned: it is asked about
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whet.data.dialects import BY_NAME, KNOWN, SPEAKER, STOP, STRONG, Dialect
from whet.data.refuse import RowRefused
from whet.data.roles import DIALECT
from whet.data.templated import NotProved, Turns, is_marked, turns_of
from whet.errors import DataError, count, shorten
from whet.recipe.schema import Recipe
from whet.types import Message

if TYPE_CHECKING:
    from whet.data.shape import Shape

SAID_IN_PASSING = 0.01
"""Of more rows than this the marks are the form, of fewer something that a few rows talk about."""
TURNED = ("text", "prompt", "prompt-completion", "alpaca", "preference", "unpaired")
"""Forms that can be read as turns."""
ANSWERS = ("completion", "chosen", "rejected")
SPEAKERS = ("assistant", *(name for name, role in DIALECT.items() if role == "assistant"))
"""Who gives answers in a list of messages."""
TRANSCRIPTS = ("preference", "unpaired", "ranking")
"""Forms whose transcripts (Human:, Assistant:) are read without being told."""


def strings_of(value: Any, shape: Shape) -> Iterator[tuple[str, bool]]:
    """(text, whether it is an answer) of all that a row's roles hold."""
    if isinstance(value, str):
        yield value, False
        return
    for role, name in shape.columns.items():
        if role not in ("label", "scores", "ranks", "system"):
            yield from _texts(value.get(name), role in ANSWERS)


def _texts(held: Any, answer: bool) -> Iterator[tuple[str, bool]]:
    """The text, or the words of all messages (and their roles, which are no marks)."""
    if isinstance(held, str):
        yield held, answer
    elif isinstance(held, Mapping):
        speaker = held.get("role", held.get("from"))
        for inner in held.values():
            yield from _texts(inner, answer or speaker in SPEAKERS)
    elif isinstance(held, list):
        for inner in held:
            yield from _texts(inner, answer)


def as_turns(value: Mapping[str, Any], shape: Shape, dialect: Dialect) -> dict[str, Any]:
    """The row with messages in the place of its texts. Raises NotProved."""
    columns = shape.columns
    held = {role: value.get(name) for role, name in columns.items()}
    if "messages" in columns:
        return {**value, columns["messages"]: turns_of(_text(held["messages"]), dialect).messages}
    extra = held.get("input")
    if isinstance(extra, str) and extra.strip():
        raise NotProved(f"the column {columns['input']!r} stands beside it")
    if not any(role in columns for role in ANSWERS):
        if "prompt" not in columns:
            raise NotProved("no column holds what can be read as turns")
        return {**value, columns["prompt"]: _question(_text(held["prompt"]), dialect)}
    changed = dict(value)
    for role in (role for role in ANSWERS if role in columns):
        prompt, answer = _pair(_text(held.get("prompt") or ""), _text(held[role]), dialect, role != "completion")
        changed[columns[role]] = answer
        if "prompt" in columns:
            changed[columns["prompt"]] = prompt
    return changed


def _text(held: Any) -> str:
    if not isinstance(held, str):
        raise NotProved("the row holds messages, too")
    return held


def _question(prompt: str, dialect: Dialect) -> list[Message]:
    turns = turns_of(prompt, dialect)
    if not turns.asks and turns.messages[-1]["role"] == "assistant":
        raise NotProved("the prompt already holds words of the answer")
    return turns.messages


def _pair(prompt: str, answer: str, dialect: Dialect, whole: bool) -> tuple[list[Message], list[Message]]:
    """Prompt and answer; `whole`: the answer may be a whole conversation, the prompt in it."""
    if not is_marked(prompt):
        turns = turns_of(answer, dialect).messages
        if whole and turns[0]["role"] != "assistant":
            return [{"role": "user", "content": prompt}] if prompt.strip() else [], turns
        if [turn["role"] for turn in turns] != ["assistant"]:
            raise NotProved("the answer holds more than one turn")
        return [{"role": "user", "content": prompt}], turns
    question = _question(prompt, dialect)
    if not is_marked(answer, answer=True):
        together = _together(prompt, answer, dialect, question)
        return question, together or [{"role": "assistant", "content": answer}]
    together = _together(prompt, answer, dialect, question)
    if together:
        return question, together
    turns = turns_of(answer, dialect).messages
    if whole and turns[0]["role"] != "assistant":
        return question, turns
    raise NotProved("prompt and answer do not make one conversation")


def _together(prompt: str, answer: str, dialect: Dialect, question: list[Message]) -> list[Message] | None:
    """The answer as the turn that follows the question in one text; None where the text of both is none."""
    try:
        turns: Turns = turns_of(f"{prompt.rstrip()}\n{answer}", dialect)
    except NotProved:
        return None
    messages = turns.messages
    follows = messages[:-1] == question and messages[-1]["role"] == "assistant"
    return messages[-1:] if follows else None


def turned(value: Any, shape: Shape, name: str) -> Any:
    """A row of a shape that is read in the dialect `name`. Raises RowRefused."""
    dialect = BY_NAME[name]
    try:
        return as_turns(value, shape, dialect)
    except NotProved as reason:
        words = next((text for text, _ in strings_of(value, shape)), "")
        raise RowRefused(
            "not-in-dialect",
            f"the text is not in {dialect.title}: {reason}",
            value=words,
            fix="correct or remove the row, or set dialect: none to learn all texts as they stand",
        ) from reason


class Nested:
    """Looks at every row of a source for texts that are already written in a chat template."""

    def __init__(self, shape: Shape, recipe: Recipe, control: frozenset[str] = frozenset()) -> None:
        """`control` are the base's own control tokens: rows that hold them are refused when they are rendered."""
        self._control = control
        self._shape, self._recipe = _readable(shape), recipe
        self._seen = self._marked = 0
        self._first: tuple[int, str, str] | None = None
        """The first marked row: its number from 1, where it stands, its text."""
        asked = None if recipe.dialect in ("auto", "none") else recipe.dialect
        alive = [dialect for dialect in KNOWN if asked in (None, dialect.name)] if shape.kind in TURNED else []
        self._alive, self._fails = alive, {dialect.name: (0, "", "", "") for dialect in alive}
        """Dialects that give every marked row so far, and what the others failed at: row, place, text, reason."""

    def see(self, value: Any, where: str = "") -> None:
        self._seen += 1
        held = [(text, answer) for text, answer in strings_of(value, self._shape) if not self._left_alone(text)]
        marked = next((text for text, answer in held if is_marked(text, answer)), None)
        if marked is None:
            return
        self._marked += 1
        self._first = self._first or (self._seen, where, marked)
        if self._recipe.dialect != "auto":
            return
        for dialect in list(self._alive):
            try:
                if not isinstance(value, Mapping):
                    raise NotProved("plain text files are not read as turns")
                as_turns(value, self._shape, dialect)
            except NotProved as reason:
                if len(self._alive) > 1 or not self._fails[dialect.name][0]:
                    self._fails[dialect.name] = (self._seen, where, marked, f"{dialect.title}: {reason}")
                self._alive.remove(dialect)

    def _left_alone(self, text: str) -> bool:
        """A transcript that is read without being told; the base's own control token where no turns can be read."""
        if self._shape.kind in TRANSCRIPTS and SPEAKER.match(text) and not STRONG.search(text):
            return True
        if self._shape.kind in ("chat", "sharegpt"):
            return any(token in text for token in self._control)
        ends = STOP.search(text)
        return bool(ends and ends.group().strip() in self._control and not is_marked(text))

    def settle(self, shape: Shape) -> Shape:
        """The shape, with the dialect that its texts are read in, and what is to be said. Raises DataError where that
        is for the user to choose."""
        asked = self._recipe.dialect
        if asked not in ("auto", "none"):
            return self._as_asked(shape, asked)
        if self._first is None:
            return shape
        few = self._marked <= SAID_IN_PASSING * self._seen
        if asked == "none" or few or self._recipe.method.kind == "pretrain":
            return replace(shape, notes=(*shape.notes, self._told(asked)))
        if self._alive and self._marked == self._seen:
            return _read(shape, self._alive[0], self._seen)
        raise self._choice()

    def _as_asked(self, shape: Shape, asked: str) -> Shape:
        if shape.kind not in TURNED or not shape.columns:
            what = "only texts in columns can be read as turns, and these rows have none"
            raise DataError(what, where="dialect", value=shape.describe(), fix="leave dialect out, or name the columns")
        if self._first is None:
            what = f"no row holds the marks of {BY_NAME[asked].title}"
            raise DataError(what, where="dialect", value=asked, fix="leave dialect out")
        return _read(shape, BY_NAME[asked], None)

    def _told(self, asked: str) -> str:
        number, where, text = self._first or (0, "", "")
        why = {"none": "dialect: none"}.get(asked, "as they stand in few rows")
        if self._recipe.method.kind == "pretrain" and asked != "none":
            why = "pretrain learns text; dialect: ... reads it as turns"
        return (
            f"{count(self._marked, 'row')} of {self._seen} hold the marks of a chat template, first "
            f"{where or f'row {number}'} ({shorten(text, 60)}): learned as words ({why})."
        )

    def _choice(self) -> DataError:
        number, where, text = self._first or (0, "", "")
        nearest_miss = max(self._fails.items(), key=lambda item: item[1][0], default=("", (0, "", "", "")))
        name, (row, place, held, reason) = nearest_miss
        none = "to learn the texts as they stand, marks and all: dialect: none"
        if self._alive:  # some rows are marked and turned, the others are not marked at all
            name, reason = self._alive[0].name, f"{self._seen - self._marked} rows hold no such marks"
        elif row:
            number, where, text = row, place, held
        if not name or reason.endswith("no turn begins in it"):
            what, mend = "", "to read them as turns, write each row as messages, or remove the marks"
        else:
            what = f", and not every row can be read as turns ({reason})"
            mend = f"to read them as turns and drop the rows that do not fit: dialect: {name}"
        return DataError(
            f"{count(self._marked, 'row')} of {self._seen} hold the marks of a chat template, which would be nested in "
            f"the base's own{what}",
            where=where or f"row {number}",
            value=text,
            fix=f"{mend}; {none}",
        )


def _readable(shape: Shape) -> Shape:
    """A text is a conversation in one column."""
    return replace(shape, columns={"messages": shape.columns["text"]}) if _is_text(shape) else shape


def _is_text(shape: Shape) -> bool:
    return shape.kind == "text" and bool(shape.columns)


def _read(shape: Shape, dialect: Dialect, proved: int | None) -> Shape:
    """The shape of rows that are read as turns. `proved`: so many rows, all, were written again and are the same."""
    how = f"written back, {'it' if proved == 1 else f'all {proved} rows'} gave the same text"
    note = f"The texts are in {dialect.title} and are read as turns: " + (how if proved else f"dialect: {dialect.name}")
    kinds = {"text": "chat", "alpaca": "prompt-completion"}
    readable = _readable(shape)
    return replace(
        readable,
        kind=kinds.get(shape.kind, shape.kind),  # pyright: ignore[reportArgumentType]
        dialect=dialect.name,
        notes=(*shape.notes, note + "."),
    )
