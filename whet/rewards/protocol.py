"""What a reward is: prompts, answers and rows in, one number an answer out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from whet.errors import DataError
from whet.types import Message, Row


class Reward(Protocol):
    """Scores the n-th answer to the n-th prompt; the n-th row is what the data says of it, and may occur again. None
    abstains.

    Raises DataError for a row that cannot be scored, RunError where the scoring itself fails.
    """

    def __call__(
        self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]
    ) -> Sequence[float | None]: ...


def reference_of(row: Row, kind: str) -> str:
    """The row's reference answer. Raises DataError where it has none."""
    if not row.reference.strip():
        fix = "add the answer (prompt and completion), or use a reward that needs none"
        what = f"the reward {kind!r} compares with a reference answer, and this row has none"
        raise DataError(what, where=row.where, fix=fix)
    return row.reference
