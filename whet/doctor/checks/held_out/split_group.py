"""Rows of one conversation, user or document stand on both sides of the split.

Why: rows of one source are alike, so a model that has seen one half of a conversation is not tested by the other half.
Groups across the split are among the most common leaks, found in papers of many fields, and their results shrink or
vanish when it is mended (Kapoor and Narayanan 2022, arXiv 2207.07048).

What is looked at, unless `columns.group` is set: columns with a name such as `user_id`, `conversation`, `doc` or `url`
whose values come back, at least 20 different ones, none in more than a fifth of the rows; and conversations that are
continued: a row whose messages are the beginning of another row. The split keeps such conversations on one side, unless
more than ten rows and 5% of all begin alike, as with a greeting.

Example:
    {"user_id": 7, "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"user_id": 7, "messages": [{"role": "user", "content": "Where is it?"}, ...]}

Fix: `columns: {group: user_id}`. Conversations that were cut into several rows need a column that says which belong
together.

Sure: of the values and messages, yes. That a column means what its name says, usually.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from whet.data.read.source import read_row, unread_source
from whet.doctor.analysis.pair_answers import answer_words, digest
from whet.doctor.check import HELD_OUT, CheckContext, LeakCheck
from whet.errors import are, count
from whet.recipe.schema import Recipe
from whet.types import Finding, Row

GROUPS = (
    "account article author case chat client conversation customer dialog dialogue doc document family file group page "
    "passage patient session source speaker thread ticket url user writer"
).split()
NUMBERS = ("id", "ids", "key", "name", "nr", "no", "number", "uuid", "hash", "title")
FEWEST, LARGEST = 20, 0.2
PEEK, LONGEST = 1000, 200
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


class SplitGroup(LeakCheck):
    code = "split-group"

    def __init__(self) -> None:
        self.setting: CheckContext | None = None
        self.columns: list[str] = []
        self.rows, self.whole = array("q"), array("Q")
        self.begun_by, self.beginning = array("q"), array("Q")
        """Rows of several turns, once for each earlier answer, and the digest of the messages up to there."""
        self.apart = set[int]()
        """Held-out rows of groups that are on both sides, once they were looked for."""

    def begin(self, setting: CheckContext) -> None:
        self.setting = setting
        if setting.recipe.columns.group is None and (setting.shape is None or setting.shape.kind != "ranking"):
            self.columns = _columns(setting)

    def see(self, row: Row) -> None:
        if self.setting is None or row.text is not None or row.rejected is not None or row.group is not None:
            return
        said = ""

        turns = [message for message in row.messages if message["role"] not in ("system", "developer")]
        for number, message in enumerate(turns):
            said = digest(f"{said} {message['role']}: {answer_words([message])}").hex()
            if message["role"] == "assistant" and number + 1 < len(turns):
                self.begun_by.append(row.index)
                self.beginning.append(int(said[:16], 16))

        self.rows.append(row.index)
        self.whole.append(int(said[:16] or "0", 16))

    def findings(self) -> list[Finding]:
        if self.setting is None:
            return []
        found = [self._by_column(name) for name in self.columns]
        return [finding for finding in [*found, self._by_beginning()] if finding]

    def leaked_test_rows(self) -> set[int]:
        self.findings()
        return {row for row in self.apart if self.setting is not None and self.setting.part_of(row) == "test"}

    def _by_column(self, name: str) -> Finding | None:
        assert self.setting is not None
        members: dict[str, list[int]] = defaultdict(list)
        for index, value in enumerate(_values(self.setting.recipe, name)):
            if value:
                members[value].append(index)

        rows = sum(map(len, members.values()))
        if len(members) < FEWEST or max(map(len, members.values())) > max(1, LARGEST * rows):
            return None

        apart, across = self._across(members.values())
        if not apart:
            return None

        values = f"{count(apart, 'value')} of the column {name!r} {'has' if apart == 1 else 'have'}"
        message = f"{values} rows both to be learned and held out"
        return self.finding("warning", message, across, f"set columns: {{group: {name}}}")

    def _by_beginning(self) -> Finding | None:
        whole_R, row_R = np.array(self.whole, np.uint64), np.array(self.rows, np.int64)
        begun = np.isin(whole_R, np.array(self.beginning, np.uint64))

        members: dict[int, list[int]] = defaultdict(list)
        for index, key in zip(row_R[begun].tolist(), whole_R[begun].tolist(), strict=True):
            members[key].append(index)

        for index, key in zip(self.begun_by, self.beginning, strict=True):
            if key in members:
                members[key].append(index)

        apart, across = self._across(members.values())
        if not apart:
            return None

        conversations = f"{count(apart, 'conversation')} {are(apart)}"
        message = f"{conversations} continued in another row on the other side of the split"
        return self.finding("warning", message, across, "name the conversation in a column and set columns.group")

    def _across(self, groups: Any) -> tuple[int, list[int]]:
        """How many groups have rows on both sides, and their held-out rows."""
        assert self.setting is not None
        apart, across = 0, set[int]()
        for members in groups:
            if len(members) > 1:
                parts = [self.setting.part_of(index) for index in members]
            else:
                parts = []

            if "trained" in parts and any(part in HELD_OUT for part in parts):
                apart += 1
                across.update(index for index, part in zip(members, parts, strict=True) if part in HELD_OUT)

        self.apart |= across
        return apart, sorted(across)


def _columns(setting: CheckContext) -> list[str]:
    """Columns that may name a group, by their names and first values."""
    first = [raw.value for raw in map(read_row, islice(unread_source(setting.recipe.data), PEEK))]
    rows = [value for value in first if isinstance(value, dict)]

    if setting.shape:
        used = set(setting.shape.columns.values())
    else:
        used = set()

    found = []
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows if row.get(name) is not None]
        brief = all(isinstance(value, str | int) and len(str(value)) <= LONGEST for value in values)
        if str(name) not in used and _names_a_group(str(name)) and brief and Counter(values).most_common(1)[0][1] > 1:
            found.append(str(name))

    return found


def _names_a_group(name: str) -> bool:
    parts = [part.lower() for part in _PART.findall(name)]
    while len(parts) > 1 and parts[-1] in NUMBERS:
        parts.pop()
    return bool(parts) and parts[-1] in GROUPS


def _values(recipe: Recipe, name: str) -> Iterator[str]:
    """Of all rows of the data, then of the test file; empty where a row has none."""
    for data in (recipe.data, recipe.test):
        for raw in map(read_row, unread_source(data)) if data else ():
            if isinstance(raw.value, dict):
                value = raw.value.get(name)
            else:
                value = None
            yield "" if value is None else json.dumps(value, default=str)
