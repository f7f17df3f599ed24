"""The fate of every input row: trained, held out, or dropped for a reason. The counts must add up, always.

One row costs some 25 bytes: numbers in columns. Words are kept for dropped rows only, of which a run allows few.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, NotRequired, TypedDict

import numpy as np

from whet.errors import DataError, ProofError

Fate = Literal["trained", "validation", "test", "dropped"]

FATES: tuple[Fate, ...] = ("trained", "validation", "test", "dropped")
OPEN = 255
"""The fate of a row that has none yet."""
COLUMNS = {
    "fate": "B",
    "reason": "h",
    "prefix": "i",
    "number": "i",
    "tokens": "i",
    "supervised": "i",
    "hash": "Q",
    "cut": "i",
}
"""Name and type code of each column."""

MOST_REASONS = 3
"""Reasons in a message."""
OWN_DECISIONS = ("duplicate-of-test", "left-out")
"""Drops that protect the measurement, or that split.train_share asks for. They say nothing against the data, so the
drop budget does not count them."""


class HeldOutRows(TypedDict):
    validation: int
    test: int


class CutFacts(TypedDict):
    rows: int
    tokens: int


class LedgerFacts(TypedDict):
    """ledger.json: how many rows have which fate."""

    rows_in: int
    trained: int
    held_out: HeldOutRows
    dropped: dict[str, int]
    """Rows by reason."""
    truncated: CutFacts
    """Rows used that were too long. A file of an earlier version does not count them."""
    supervised_tokens: int
    tokens: int
    accepted_changes: NotRequired[list[dict[str, Any]]]
    """Named files that were changed on purpose (whet/store/unchanged.py)."""
    replay: NotRequired[dict[str, Any]]


@dataclass(slots=True)
class Entry:
    """One input row."""

    row: int
    where: str
    fate: Fate | None = None
    reason: str = ""
    message: str = ""
    tokens: int = 0
    supervised: int = 0
    hash: str = ""
    cut: int = 0
    """Tokens that were left out because the row is too long."""


class _Names:
    """Texts that occur often, each with a number."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = list(names)
        self.numbers = {name: number for number, name in enumerate(self.names)}

    def number(self, name: str) -> int:
        if name not in self.numbers:
            self.numbers[name] = len(self.names)
            self.names.append(name)
        return self.numbers[name]


class Ledger:
    """Open an entry for each row that is read, in order; close it with a fate. `check` refuses open entries."""

    def __init__(self) -> None:
        self._columns = {name: array(code) for name, code in COLUMNS.items()}
        self._reasons, self._prefixes = _Names([""]), _Names()
        self._messages: dict[int, str] = {}
        self._tokens: int | None = None

    def __len__(self) -> int:
        return len(self._columns["fate"])

    def open(self, row: int, where: str) -> None:
        """Raises ProofError when the row was read twice, or one before it was not read."""
        if row != len(self):
            raise ProofError(f"row {row} was read twice, or out of turn", where=where)
        prefix, number = _split(where)
        values = (OPEN, 0, self._prefixes.number(prefix), number, 0, 0, 0, 0)
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def close(
        self,
        row: int,
        fate: Fate,
        *,
        reason: str = "",
        message: str = "",
        tokens: int = 0,
        supervised: int = 0,
        hash: str = "",
    ) -> None:
        """Raises ProofError when the row has a fate already, or was never opened. `hash`: 16 hex digits, or none."""
        columns = self._columns
        if not 0 <= row < len(self) or columns["fate"][row] != OPEN:
            entry = self.entry(row) if row < len(self) else None
            raise ProofError(f"row {row} cannot become {fate}", value=entry)

        columns["fate"][row] = FATES.index(fate)
        columns["reason"][row] = self._reasons.number(reason)
        columns["tokens"][row], columns["supervised"][row] = tokens, supervised

        columns["hash"][row] = int(hash or "0", 16)
        if message:
            self._messages[row] = message

    def close_all(
        self, rows: np.ndarray, fate: Fate, tokens: np.ndarray, supervised: np.ndarray, hashes: np.ndarray
    ) -> None:
        """`close` for many rows at once; `hashes` are the 64 bits of the hash as numbers. Raises ProofError."""
        fates = np.frombuffer(self._columns["fate"], np.uint8)
        if len(np.unique(rows)) < len(rows) or (fates[rows] != OPEN).any():
            raise ProofError(f"a row cannot be counted as {fate}: it is counted already", value=f"{len(rows)} rows")
        given = {"fate": FATES.index(fate), "tokens": tokens, "supervised": supervised, "hash": hashes}
        for name, values in given.items():
            column = np.frombuffer(self._columns[name], dtype=COLUMNS[name])
            column[rows] = values

    def drop(self, row: int, reason: str, message: str) -> None:
        """Close a row as dropped, with a reason code and words for people."""
        self.close(row, "dropped", reason=reason, message=message)

    def note_cut(self, row: int, tokens: int) -> None:
        """So many tokens of the row are left out, because it is too long; whatever fate it gets."""
        self._columns["cut"][row] = tokens

    def set_tokens(self, tokens: int) -> None:
        """For pre-training, where documents are joined: the tokens to learn, all of them supervised."""
        self._tokens = tokens

    def entry(self, row: int) -> Entry:
        """What is known about a row that was read."""
        number, reason = self._columns["fate"][row], self._columns["reason"][row]
        fate = None if number == OPEN else FATES[number]
        tokens, supervised = self._columns["tokens"][row], self._columns["supervised"][row]

        bits = self._columns["hash"][row]
        digest = f"{bits:016x}" if bits else ""
        message = self._messages.get(row, "")
        return Entry(
            row,
            self._place(row),
            fate,
            self._reasons.names[reason],
            message,
            tokens,
            supervised,
            digest,
            self._columns["cut"][row],
        )

    def _place(self, row: int) -> str:
        """The name of the file, and the line in it."""
        prefix, number = self._columns["prefix"][row], self._columns["number"][row]
        if number < 0:
            return self._prefixes.names[prefix]
        return f"{self._prefixes.names[prefix]}{number}"

    def summary(self) -> LedgerFacts:
        """Counts of rows; tokens and supervised tokens are those of the trained rows, tokens that were cut those of
        all rows that are used."""
        fates = self._column("fate")
        count = {fate: int((fates == number).sum()) for number, fate in enumerate(FATES)}
        trained = fates == FATES.index("trained")
        cut = self._column("cut")[fates != FATES.index("dropped")]

        if self._tokens is None:
            tokens = int(self._column("tokens")[trained].sum(dtype=np.int64))
            supervised = int(self._column("supervised")[trained].sum(dtype=np.int64))
        else:
            tokens = supervised = self._tokens

        return {
            "rows_in": len(self),
            "trained": count["trained"],
            "held_out": {"validation": count["validation"], "test": count["test"]},
            "dropped": dict(self.dropped().most_common()),
            "truncated": {"rows": int((cut > 0).sum()), "tokens": int(cut.sum(dtype=np.int64))},
            "supervised_tokens": supervised,
            "tokens": tokens,
        }

    def dropped(self) -> Counter[str]:
        """Number of rows for each drop reason, in the order in which the reasons first occur."""
        return Counter(self.entry(row).reason for row in self._dropped_rows())

    def check(self) -> None:
        """Raises ProofError unless every row that was read has exactly one fate."""
        lost = np.flatnonzero(self._column("fate") == OPEN)
        if len(lost):
            where = self.entry(int(lost[0])).where
            what = f"{len(lost)} of {len(self)} rows are counted nowhere"
            raise ProofError(what, where=where, fix="please report this")

    def enforce_budget(self, share: float) -> None:
        """Raises DataError when more than `share` of the rows were dropped, with reasons, examples and the key."""
        own = {self._reasons.numbers.get(reason) for reason in OWN_DECISIONS}
        counted = [row for row in self._dropped_rows() if self._columns["reason"][row] not in own]
        if len(counted) <= share * len(self):
            return

        lines, fix = self._commonest(counted)
        dropped = len(counted) / len(self)
        if dropped < 1:
            go_on = f"; or, to go on without them, set drop_budget: {_next_share(dropped)}"
        else:
            go_on = ""

        raise DataError(
            f"{len(counted)} of {len(self)} rows ({100 * dropped:.1f}%) cannot be used, more than "
            f"drop_budget allows ({100 * share:g}%):" + lines,
            fix=fix + go_on,
        )

    def refuse_rest(self, what: str, where: str, fix: str = "") -> NoReturn:
        """Raises DataError: too little is left. Where rows were dropped, it says why, each reason with an example."""
        dropped = self._dropped_rows()
        if dropped:
            lines, correction = self._commonest(dropped)
            what += f"; {len(dropped)} of {len(self)} rows were dropped:{lines}"
            fix = correction or fix
        raise DataError(what, where=where, fix=fix)

    def _commonest(self, rows: list[int]) -> tuple[str, str]:
        """Why these rows were dropped, a line for each of the commonest reasons with its first row; and the fix."""
        reasons = self._columns["reason"]
        first: dict[int, int] = {}
        for row in rows:
            first.setdefault(reasons[row], row)

        lines, fixes = "", []
        for reason, count in Counter(reasons[row] for row in rows).most_common(MOST_REASONS):
            entry = self.entry(first[reason])
            lines += f"\n  {count} x {entry.reason}, for example {_first(entry)}"
            fixes.append(entry.message.partition("\n  fix: ")[2])
        return lines, fixes[0] or "correct or remove these rows"

    def rows_jsonl(self) -> Iterator[dict[str, Any]]:
        """One plain dict a row, in the order of the input."""
        for row in range(len(self)):
            entry = self.entry(row)
            yield {
                "row": entry.row,
                "where": entry.where,
                "fate": entry.fate,
                "reason": entry.reason,
                "message": entry.message,
                "tokens": entry.tokens,
                "supervised": entry.supervised,
                "hash": entry.hash,
                "cut": entry.cut,
            }

    def columns(self) -> dict[str, np.ndarray]:
        """The numbers of all rows; with `words` all that `restored` needs."""
        return {name: self._column(name) for name in COLUMNS}

    def words(self) -> dict[str, Any]:
        """The texts that the numbers of `columns` stand for, in JSON's types."""
        messages = {str(row): message for row, message in self._messages.items()}
        return {"reasons": self._reasons.names, "prefixes": self._prefixes.names, "messages": messages}

    @staticmethod
    def restored(columns: dict[str, np.ndarray], words: dict[str, Any]) -> Ledger:
        ledger = Ledger()
        ledger._columns = {name: array(code, columns[name].tobytes()) for name, code in COLUMNS.items()}
        ledger._reasons, ledger._prefixes = _Names(words["reasons"]), _Names(words["prefixes"])
        ledger._messages = {int(row): message for row, message in words["messages"].items()}
        return ledger

    def _column(self, name: str) -> np.ndarray:
        if len(self):
            return np.frombuffer(self._columns[name], dtype=COLUMNS[name])
        return np.zeros(0, COLUMNS[name])

    def _dropped_rows(self) -> list[int]:
        return np.flatnonzero(self._column("fate") == FATES.index("dropped")).tolist()


def _split(where: str) -> tuple[str, int]:
    """`tickets.jsonl:812` as `tickets.jsonl:` and 812; -1 where no plain number is at the end."""
    prefix = where.rstrip("0123456789")
    digits = where[len(prefix) :]
    plain = digits and len(digits) < 10 and str(int(digits)) == digits
    if plain:
        return (prefix, int(digits))
    return (where, -1)


def _first(entry: Entry) -> str:
    """The first line of what was said about the row, or where it is."""
    if entry.message:
        return entry.message.splitlines()[0]
    return entry.where


def _next_share(share: float) -> float:
    """The share, rounded up to two decimals."""
    return min(1.0, -(-share * 100 // 1) / 100)
