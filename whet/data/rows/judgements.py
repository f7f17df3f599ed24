"""Columns that judge an answer: thumbs, ratings, flags. To learn a bad answer like a good one is silently wrong.

A column of thumbs or ratings that holds two marks alone makes the rows marked answers (kto). What could mean two things
(`label`, where 1 may be a class; a flag of which 1 means bad) is asked about. Every other such column is named, because
answers of all its values are learned alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from whet.data.rows.column_names import AGAINST, JUDGING, MARK_WORDS, MARKS
from whet.data.rows.fields import is_missing
from whet.errors import DataError, shorten

ASKED = ("prompt-completion", "alpaca", "chat", "sharegpt")
"""Forms whose answers are learned as they are."""
NAMED = (*ASKED, "unpaired", "preference", "label")
"""Forms beside which a judgement that is not read is named."""
ALL_ALIKE = (
    "answers of all its values are learned alike. Keep the rows with good ones, or name a column of marks of 1 and 0 "
    "as columns.label (kto)."
)
ALIKE = {
    "unpaired": "only the marks say which answers are good.",
    "preference": "every pair counts alike.",
    "label": "every row counts alike.",
}
MOST_VALUES, LONGEST_WORD = 10, 24
"""Of a column of grades in words; more, or longer ones, are texts of their own."""
Role = Literal["mark", "judging", "label", "against", "word"]
PLAIN_WORDS = frozenset(
    "good bad like liked dislike disliked accepted accept rejected reject approved correct incorrect wrong upvote "
    "downvote desirable undesirable thumbs_up thumbs_down \N{THUMBS UP SIGN} \N{THUMBS DOWN SIGN}".split()
)
"""Words that judge whatever the column is called, such as `status`; `yes`, `up` and `positive` say too little alone."""
OF_A_JUDGEMENT = frozenset("value label result type name user human overall sentiment answer".split())
"""Keys that say what an object is, where its name judges: `feedback: {value: 0}`."""
EXPLAINED = {
    "label": "in {name!r}, 1 may mean a good answer, or it may be a class",
    "against": "{name!r} looks like a judgement of the answer in which 1 means bad",
    "judging": "{name!r} marks every answer as bad",
    "mark": "",
    "word": "",
}


def mark_of(value: Any) -> bool | None:
    """Good or bad, from a boolean, 1 and 0, 1 and -1, or a word for one of them; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return MARK_WORDS.get(value.strip().lower())
    if isinstance(value, int | float) and value in (1, 0, -1):
        return value == 1
    return None


def role_of(name: str) -> Role | None:
    """What a column of this name says of an answer: None where it says nothing of it."""
    plain = name.strip().lower()
    if plain == "label":
        return "label"
    if plain in MARKS:
        return "mark"

    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()))
    if words & AGAINST:
        return "against"
    return "judging" if words & JUDGING else None


@dataclass(slots=True)
class Column:
    """What a column that may judge the answers holds."""

    name: str
    role: Role
    marks: set[bool] = field(default_factory=set)
    values: set[Any] = field(default_factory=set)
    """Different ones, some more than MOST_VALUES at most."""
    only_marks: bool = True
    short: bool = True
    """Whether every value is a number or a short word."""
    inner: bool = False
    """Within an object or a turn, where no marks are read from: it can only be named."""

    def see(self, value: Any) -> None:
        if is_missing(value) or (isinstance(value, str) and not value.strip()):
            return

        mark = mark_of(value)
        self.only_marks &= mark is not None

        if mark is not None:
            self.marks.add(mark)

        if isinstance(value, str):
            plain = value.strip()
        else:
            plain = value

        self.short &= self.role != "word" or (isinstance(plain, str) and plain.lower() in PLAIN_WORDS)
        self.short &= isinstance(plain, int | float) or (isinstance(plain, str) and len(plain) <= LONGEST_WORD)

        if self.short and len(self.values) <= MOST_VALUES:
            self.values.add(plain)

    @property
    def marked(self) -> bool:
        """Two marks and nothing else; not votes of -1, 0 and 1, in which 0 says nothing."""
        known = {str(value).removesuffix(".0") for value in self.values}
        return bool(self.marks) and self.only_marks and not {"-1", "0"} <= known

    @property
    def graded(self) -> bool:
        """Numbers, or a few short words. A number called `label` is a grade, a word called so a class."""
        numbers = all(isinstance(value, int | float) or _is_number(value) for value in self.values)
        few = len(self.values) <= MOST_VALUES and self.role != "label"
        return bool(self.values) and self.short and (numbers or few)

    def told(self) -> str:
        """Some of its values, for people."""
        some = sorted(self.values, key=str)[:4]
        text = ", ".join(map(str, some))
        if len(self.values) > len(some):
            text += ", ..."
        return text


class Judged:
    """Looks at every row's columns that may judge its answer; `read` are those that play a role already."""

    def __init__(self, read: Iterable[str]) -> None:
        self._read = set(read)
        self._known: dict[str | tuple[str, str], Column | None] = dict.fromkeys(self._read)

    @property
    def _columns(self) -> list[Column]:
        return [column for column in self._known.values() if column is not None]

    def see(self, value: Any) -> None:
        """Rows may have columns that the first one has not, and judgements within objects and turns."""
        if not isinstance(value, Mapping):
            return

        for name, held in value.items():
            if name not in self._known:
                role = role_of(name) or _by_its_word(held)
                if role:
                    self._known[name] = Column(name, role, inner=role == "word")
                else:
                    self._known[name] = None

            column = self._known[name]
            if column is not None:
                column.see(held)

            if isinstance(held, Mapping) and name not in self._read:
                self._see_inside(name, held, f"{name}.", role_of(name))
            elif isinstance(held, list):
                for turn in held:
                    if isinstance(turn, Mapping):
                        self._see_inside(name, turn, f"{name}[].", None)

    def _see_inside(self, name: str, held: Mapping[str, Any], before: str, outer: Role | None) -> None:
        """`outer` is what the name of the object says, so that `feedback.value` judges."""
        for key, value in held.items():
            place = (name, key)
            if place not in self._known:
                role = role_of(str(key)) or (outer if key in OF_A_JUDGEMENT else None)
                if role and role != "label":
                    self._known[place] = Column(f"{before}{key}", role, inner=True)
                else:
                    self._known[place] = None

            column = self._known[place]
            if column is not None:
                column.see(value)

    def mark(self, kind: str, only_marks: bool) -> str | None:
        """The column whose marks make rows of this form marked answers; `only_marks`: the method learns from
        nothing else. Raises DataError where the marks could mean two things."""
        looked_at = self._columns if kind in ASKED else []
        marked = [column for column in looked_at if column.marked and not column.inner]
        clear = [column for column in marked if column.role == "mark"]
        clear += [column for column in marked if column.role == "label" and only_marks]
        clear += [column for column in marked if column.role == "judging" and len(column.marks) == 2]

        if clear:
            return clear[0].name

        for column in marked:
            if column.role in ("label", "against") or column.marks == {False}:
                raise _asked(column, kind)

        return None

    def told(self, kind: str, mark: str | None = None) -> list[str]:
        """Of each judgement that is not read, a sentence; `mark` is the column that is."""
        if kind not in NAMED:
            return []
        alike = ALIKE.get(kind, ALL_ALIKE)
        notes = []
        for column in self._columns:
            if column.name != mark and column.graded:
                what = f"The column {column.name!r} ({column.told()}) looks like a judgement of the answers"
                notes.append(f"{what} and is not read: {alike}")
        swapped = [name for name in self._read if kind == "unpaired" and role_of(name) == "against"]

        return notes + [f"A 1 in {name!r} is read as good, though its name says bad." for name in swapped]


def _asked(column: Column, kind: str) -> DataError:
    if column.role == "label":
        marks = "method: kto"
    else:
        marks = "write marks in which 1 is good into a column thumbs_up"

    why = EXPLAINED[column.role].format(name=column.name)
    return DataError(
        f"the column {shorten(column.name)} holds marks ({column.told()}) beside an answer, and {kind} rows would be "
        f"learned whatever it says: {why}",
        fix=f"to learn good answers up and bad ones down: {marks}; to learn all answers alike: format: {kind}",
    )


def _by_its_word(value: Any) -> Role | None:
    if isinstance(value, str) and value.strip().lower() in PLAIN_WORDS:
        return "word"
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
