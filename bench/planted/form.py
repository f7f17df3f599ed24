"""What a planting function is."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

Record = dict[str, Any]
"""A row as it stands in a file: {"messages": [{"role": ..., "content": ...}, ...]} in the clean rows."""
Plant = Callable[[Random, list[Record]], tuple[list[Record], set[int]]]
"""Clean records to records with the defect, and the indices of the defective ones. It may change what it is given, and
may give more or other rows (preference pairs, for example) where the defect is about those."""
SHARE = 0.1
"""Of the rows get the defect, unless the check is about more of them."""


def chosen(random: Random, rows: list[Record], share: float = SHARE) -> set[int]:
    """Rows to plant in."""
    return set(random.sample(range(len(rows)), max(1, int(share * len(rows)))))
