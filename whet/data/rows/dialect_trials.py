"""What one dialect makes of a source's rows: how many become turns, of whom, and where it fails first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whet.data.rows.dialects import Dialect
from whet.data.rows.row_turns import ANSWERS, as_turns
from whet.data.rows.templated_texts import NotProved
from whet.errors import count

if TYPE_CHECKING:
    from whet.data.rows.row_format import RowFormat

STILL_TRIED = 100
"""Marked rows on which a dialect that has failed is tried all the same, to know whether it turns any."""


@dataclass(frozen=True, slots=True)
class Place:
    """A marked row: its number from 1, where it is, its text."""

    number: int
    where: str
    text: str


@dataclass(slots=True)
class Tried:
    dialect: Dialect
    rows: int = 0
    """Marked rows that it turns; those after its first failure only among the first."""
    turns: Counter[str] = field(default_factory=Counter)
    """By who speaks: user, assistant, ...; `example` is an answer within a prompt."""
    ends: Counter[bool] = field(default_factory=Counter)
    """Texts whose answers have the end mark that may be left out, and others."""
    failed: Place | None = None
    reason: str = ""

    @property
    def alive(self) -> bool:
        """Whether it turns every marked row so far."""
        return self.failed is None

    def see(self, value: Any, shape: RowFormat, place: Place) -> None:
        try:
            if not isinstance(value, Mapping):
                raise NotProved("plain text files are not read as turns")

            found = as_turns(value, shape, self.dialect)
        except NotProved as reason:
            self._fail(place, str(reason))
            return

        self.rows += 1
        held = [found[name] for name in shape.columns.values() if found.get(name) is not value.get(name)]
        for turn in (turn for turns in held for turn in turns):
            self.turns["example" if turn.get("weight") == 0 else turn["role"]] += 1

        for mark, text in self._texts_that_end(value, shape):
            self.ends[mark in text] += 1
            if len(self.ends) > 1:
                self._fail(place, f"the answers of some rows end in {mark}, and those of others do not")

    def _texts_that_end(self, value: Mapping[str, Any], shape: RowFormat) -> Iterator[tuple[str, str]]:
        """(end mark, text) of all that may lack it: answers in columns of their own, and whole texts of some dialects;
        those of others are proved one by one."""
        mark = self.dialect.closes.get("assistant")
        if self.dialect.may_stay_open:
            roles = (*ANSWERS, "messages")
        else:
            roles = ANSWERS

        for role in (role for role in roles if mark and role in shape.columns):
            yield str(mark), str(value[shape.columns[role]])

    def _fail(self, place: Place, reason: str) -> None:
        if self.failed is None:
            self.failed, self.reason = place, f"{self.dialect.title}: {reason}"

    def told(self, system: str | None) -> str:
        """How many turns there are, and what of them is not as it looks, in sentences. `system` is the recipe's."""
        users, answers = count(self.turns["user"], "turn") + " of the user", count(self.turns["assistant"], "answer")
        said = [f"That gives {users} and {answers}."]

        if examples := self.turns["example"]:
            said.append(f"{count(examples, 'answer')} within a prompt {_is(examples)} only read, not learned.")
        if system and (own := self.turns["system"]):
            said.append(f"{count(own, 'text')} with a system prompt inside: there the recipe's is left out.")

        if len(self.ends) > 1:
            mark, closed, others = self.dialect.closes["assistant"], self.ends[True], self.ends[False]
            said.append(f"The answers of {closed} texts end in {mark}, those of {others} do not and may be cut off.")

        return " ".join(said)


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
