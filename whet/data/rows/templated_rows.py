"""Rows whose texts are already written in a chat template: watched for, read as turns where that is proved of every
row, asked about where it is not.

    text                    a whole conversation
    prompt + completion     together a conversation, cut anywhere before the answer's words; also chosen and rejected
    messages                a template within a message cannot be turned: it is asked about
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whet.data.refused import RowRefused
from whet.data.rows.dialect_trials import STILL_TRIED, Place, Tried
from whet.data.rows.dialects import BY_NAME, KNOWN, SPEAKER, STOP, STRONG
from whet.data.rows.roles import DIALECT
from whet.data.rows.row_turns import ANSWERS, as_turns
from whet.data.rows.templated_texts import NotProved, Part, asks_by_letter, is_marked
from whet.errors import DataError, count, shorten
from whet.recipe.schema import Recipe

if TYPE_CHECKING:
    from whet.data.rows.row_format import RowFormat

SAID_IN_PASSING = 0.01
"""Of more rows than this the marks are the form, of fewer something that a few rows talk about."""
BY_LETTER = 0.5
"""In more rows than this a prompt that ends in A: is how the file is written; in fewer it is one kind of question among
others, as in collections of instructions (FLAN's)."""
TURNED = ("text", "prompt", "prompt-completion", "alpaca", "preference", "unpaired")
"""Forms that can be read as turns."""
SPEAKERS = ("assistant", *(name for name, role in DIALECT.items() if role == "assistant"))
"""Who gives answers in a list of messages."""
TRANSCRIPTS = ("preference", "unpaired", "ranking")
"""Forms whose transcripts (Human:, Assistant:) are read without being told."""


def strings_of(value: Any, shape: RowFormat) -> Iterator[tuple[str, Part]]:
    """All texts that a row's roles hold, and what of a conversation each is."""
    if isinstance(value, str):
        yield value, "whole"
        return

    for role, name in shape.columns.items():
        held = value.get(name)
        if role not in ("label", "scores", "ranks", "system"):
            if role in ANSWERS:
                part = "answer"
            elif role == "prompt" and isinstance(held, str):
                part = "prompt"
            else:
                part = "whole"
            yield from _texts(held, part)


def _texts(held: Any, part: Part) -> Iterator[tuple[str, Part]]:
    """The text, or the words of all messages (and their roles, which are no marks)."""
    if isinstance(held, str):
        yield held, part
    elif isinstance(held, Mapping):
        speaker = held.get("role", held.get("from"))
        for inner in held.values():
            yield from _texts(inner, "answer" if speaker in SPEAKERS else part)
    elif isinstance(held, list):
        for inner in held:
            yield from _texts(inner, part)


def turned(value: Any, shape: RowFormat, name: str) -> Any:
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
            fix="correct or remove the row, or set dialect: none to learn all texts as they are",
        ) from reason


class Nested:
    """Looks at every row of a source for texts that are already written in a chat template."""

    def __init__(self, shape: RowFormat, recipe: Recipe, control: frozenset[str] = frozenset()) -> None:
        """`control` are the base's own control tokens: rows that hold them are refused when they are rendered."""
        self._control = control
        self._shape, self._recipe = _readable(shape, recipe), recipe
        self._seen = self._marked = 0
        self._first: Place | None = None
        """The first marked row."""
        self._letters = 0
        self._first_letters: Place | None = None

        if recipe.dialect == "auto":
            asked = None
        else:
            asked = recipe.dialect

        names = [dialect for dialect in KNOWN if asked in (None, dialect.name)]
        if shape.kind in TURNED:
            self._tried = [Tried(dialect) for dialect in names]
        else:
            self._tried = []

    def see(self, value: Any, where: str = "") -> None:
        self._seen += 1
        texts = strings_of(value, self._shape)
        held: list[tuple[str, Part]] = [(text, part) for text, part in texts if not self._left_alone(text)]

        marked = next((text for text, part in held if is_marked(text, part)), None)
        if marked is None:
            self._see_letters(held, where)
            return

        self._marked += 1
        place = Place(self._seen, where, marked)

        self._first = self._first or place
        for tried in self._tried:
            if tried.alive or self._marked <= STILL_TRIED or len(self._tried) == 1:
                tried.see(value, self._shape, place)

    def _see_letters(self, held: Sequence[tuple[str, Part]], where: str) -> None:
        text = next((text for text, part in held if part == "prompt" and asks_by_letter(text)), None)
        if text is not None:
            self._letters += 1
            self._first_letters = self._first_letters or Place(self._seen, where, text)

    @property
    def _alive(self) -> list[Tried]:
        """Dialects that give every marked row so far."""
        return [tried for tried in self._tried if tried.alive]

    def _left_alone(self, text: str) -> bool:
        """A transcript that is read without being told; the base's own control token where no turns can be read."""
        if self._shape.kind in TRANSCRIPTS and SPEAKER.match(text) and not STRONG.search(text):
            return True
        if self._shape.kind in ("chat", "sharegpt"):
            return any(token in text for token in self._control)
        ends = STOP.search(text)
        return bool(ends and ends.group().strip() in self._control and not is_marked(text))

    def settle(self, shape: RowFormat) -> RowFormat:
        """The shape, with the dialect that its texts are read in, and what is to be said. Raises DataError where that
        is for the user to choose."""
        asked = self._recipe.dialect
        if asked not in ("auto", "none"):
            return self._as_asked(shape, asked)

        if self._letters > BY_LETTER * self._seen:
            self._marked, self._first = self._marked + self._letters, self._first or self._first_letters
        if self._first is None:
            return shape

        few = self._marked <= SAID_IN_PASSING * self._seen
        if asked == "none" or few or self._recipe.method.rows.as_text:
            return replace(shape, notes=(*shape.notes, self._told(asked)))
        if self._alive and self._alive[0].rows == self._seen:
            return self._read(shape, self._alive[0], self._seen)

        raise self._choice()

    def _as_asked(self, shape: RowFormat, asked: str) -> RowFormat:
        if shape.kind not in TURNED or not shape.columns:
            what = "only texts in columns can be read as turns, and these rows have none"
            raise DataError(what, where="dialect", value=shape.describe(), fix="leave dialect out, or name the columns")
        if self._first is None:
            what = f"no row holds the marks of {BY_NAME[asked].title}"
            raise DataError(what, where="dialect", value=asked, fix="leave dialect out")
        return self._read(shape, self._tried[0], None)

    def _told(self, asked: str) -> str:
        first = self._first or Place(0, "", "")
        why = {"none": "dialect: none"}.get(asked, "as they are in few rows")
        if self._recipe.method.rows.as_text and asked != "none":
            why = "pretrain learns text; dialect: ... reads it as turns"
        return (
            f"{count(self._marked, 'row')} of {self._seen} hold the marks of a chat template, first "
            f"{first.where or f'row {first.number}'} ({shorten(first.text, 60)}): learned as words ({why})."
        )

    def _choice(self) -> DataError:
        place, nearest = self._first or Place(0, "", ""), self._nearest()
        none = "to learn the texts as they are, marks and all: dialect: none"
        what, mend = "", "to read them as turns, write each row as messages, or remove the marks"

        if nearest is not None:
            place, reason = nearest.failed or place, nearest.reason
            if nearest.alive:  # some rows are marked and turned, the others are not marked at all
                reason = f"{self._seen - nearest.rows} rows hold no such marks"

            what = f", and not every row can be read as turns ({reason})"
            if len(nearest.ends) > 1:  # none of them would be dropped
                mend = f"to read them as turns, whether or not they are cut: dialect: {nearest.dialect.name}"
            elif nearest.rows:
                mend = f"to read them as turns and drop the rows that do not fit: dialect: {nearest.dialect.name}"

        return DataError(
            f"{count(self._marked, 'row')} of {self._seen} hold the marks of a chat template, which would be nested in "
            f"the base's own{what}",
            where=place.where or f"row {place.number}",
            value=place.text,
            fix=f"{mend}; {none}",
        )

    def _nearest(self) -> Tried | None:
        """The dialect that turns most rows, of such the one that fails last; None where no turn begins in any."""
        failed = [tried for tried in self._tried if tried.failed and not tried.reason.endswith("no turn begins in it")]
        begun = [tried for tried in self._tried if tried.rows and tried not in failed] + failed
        return max(begun, key=lambda t: (t.alive, t.rows, t.failed.number if t.failed else 0), default=None)

    def _read(self, shape: RowFormat, tried: Tried, proved: int | None) -> RowFormat:
        """The shape of rows that are read as turns. `proved`: so many rows, all, gave the same text again."""
        dialect = tried.dialect
        if proved:
            how = f"written back, {'it' if proved == 1 else f'all {proved} rows'} gave the same text"
        else:
            how = f"dialect: {dialect.name}"

        note = f"The texts are in {dialect.title} and are read as turns: {how}. {tried.told(self._recipe.system)}"
        kinds = {"text": "chat", "alpaca": "prompt-completion"}
        readable = _readable(shape, self._recipe)
        return replace(
            readable,
            kind=kinds.get(shape.kind, shape.kind),  # pyright: ignore[reportArgumentType]
            dialect=dialect.name,
            notes=(*shape.notes, note),
        )


def _readable(shape: RowFormat, recipe: Recipe) -> RowFormat:
    """A text is a conversation in one column; a system prompt may be beside it where the recipe names its column."""
    if not _is_text(shape):
        return shape
    if recipe.columns.system:
        system = {"system": recipe.columns.system}
    else:
        system = {}
    return replace(shape, columns={"messages": shape.columns["text"], **system})


def _is_text(shape: RowFormat) -> bool:
    return shape.kind == "text" and bool(shape.columns)
