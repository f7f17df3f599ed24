"""The fate of every input row: trained, held out, or dropped for a reason. The counts must add up, always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from whet.errors import DataError, ProofError

Fate = Literal["trained", "validation", "test", "dropped"]

OWN_DECISIONS = ("duplicate-of-test",)
"""Drops that protect the measurement. They say nothing against the data, so the drop budget does not count them."""


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


class Ledger:
    """Open an entry for each row that is read; close it with a fate. `check` refuses open entries."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self._tokens: int | None = None

    def open(self, row: int, where: str) -> None:
        """Raises ProofError when the row was read twice."""
        if row in self.entries:
            raise ProofError(f"row {row} was read twice", where=where)
        self.entries[row] = Entry(row, where)

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
        """Raises ProofError when the row has a fate already, or was never opened."""
        entry = self.entries.get(row)
        if entry is None or entry.fate is not None:
            raise ProofError(f"row {row} cannot become {fate}", value=entry and entry.fate)
        entry.fate, entry.reason, entry.message = fate, reason, message
        entry.tokens, entry.supervised, entry.hash = tokens, supervised, hash

    def drop(self, row: int, reason: str, message: str) -> None:
        """Close a row as dropped, with a reason code and words for people."""
        self.close(row, "dropped", reason=reason, message=message)

    def set_tokens(self, tokens: int) -> None:
        """For pre-training, where documents are joined: the tokens to learn, all of them supervised."""
        self._tokens = tokens

    def summary(self) -> dict[str, Any]:
        """Counts of rows; tokens and supervised tokens are those of the trained rows."""
        fates = Counter(entry.fate for entry in self.entries.values())
        trained = [entry for entry in self.entries.values() if entry.fate == "trained"]
        return {
            "rows_in": len(self.entries),
            "trained": fates["trained"],
            "held_out": {"validation": fates["validation"], "test": fates["test"]},
            "dropped": dict(self.dropped().most_common()),
            "supervised_tokens": sum(e.supervised for e in trained) if self._tokens is None else self._tokens,
            "tokens": sum(e.tokens for e in trained) if self._tokens is None else self._tokens,
        }

    def dropped(self) -> Counter[str]:
        """Number of rows for each drop reason."""
        return Counter(entry.reason for entry in self.entries.values() if entry.fate == "dropped")

    def check(self) -> None:
        """Raises ProofError unless every row that was read has exactly one fate."""
        lost = [entry for entry in self.entries.values() if entry.fate is None]
        if lost:
            raise ProofError(
                f"{len(lost)} of {len(self.entries)} rows have no fate", where=lost[0].where, fix="please report this"
            )

    def enforce_budget(self, share: float) -> None:
        """Raises DataError when more than `share` of the rows were dropped, with reasons, examples and the key."""
        counted = [e for e in self.entries.values() if e.fate == "dropped" and e.reason not in OWN_DECISIONS]
        if len(counted) <= share * len(self.entries):
            return
        reasons = Counter(entry.reason for entry in counted).most_common(3)
        examples = [(count, next(entry for entry in counted if entry.reason == reason)) for reason, count in reasons]
        lines = [f"\n  {count} x {entry.reason}, for example {_first(entry)}" for count, entry in examples]
        own = examples[0][1].message.partition("\n  fix: ")[2] or "correct or remove these rows"
        dropped = len(counted) / len(self.entries)
        go_on = f"; or, to go on without them, set drop_budget: {_next_share(dropped)}" if dropped < 1 else ""
        raise DataError(
            f"{len(counted)} of {len(self.entries)} rows ({100 * dropped:.1f}%) cannot be used, more than "
            f"drop_budget allows ({100 * share:g}%):" + "".join(lines),
            fix=own + go_on,
        )

    def rows_jsonl(self) -> Iterator[dict[str, Any]]:
        """One plain dict a row, in the order of the input."""
        for number in sorted(self.entries):
            entry = self.entries[number]
            yield {
                "row": entry.row,
                "where": entry.where,
                "fate": entry.fate,
                "reason": entry.reason,
                "message": entry.message,
                "tokens": entry.tokens,
                "supervised": entry.supervised,
                "hash": entry.hash,
            }


def _first(entry: Entry) -> str:
    """The first line of what was said about the row, or where it stands."""
    return entry.message.splitlines()[0] if entry.message else entry.where


def _next_share(share: float) -> float:
    """The share, rounded up to two decimals."""
    return min(1.0, -(-share * 100 // 1) / 100)
