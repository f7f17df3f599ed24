"""Rows that were prepared, read from the data once more: only their tokens and their fates are kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from whet.data.ledger import FATES, Fate, Ledger
from whet.data.read.source import read_row, unread_source
from whet.data.rows.convert import to_row
from whet.data.rows.rankings import as_pairs
from whet.data.rows.row_format import RowFormat
from whet.data.split.row_traits import content_hash
from whet.errors import DataError
from whet.recipe.schema import Recipe
from whet.types import Row


def reread_rows(
    recipe: Recipe, shapes: list[RowFormat], ledger: Ledger, rows: int, fates: tuple[Fate, ...]
) -> Iterator[Row]:
    """The rows of some fates, read from the data again; `rows` is the number of rows of `recipe.data`. Raises DataError
    when the data is not what was read before."""
    numbers = [FATES.index(fate) for fate in fates]
    wanted = set(np.flatnonzero(np.isin(ledger.columns()["fate"], numbers)).tolist())
    for data, shape, offset in zip((recipe.data, recipe.test or ""), shapes, (0, rows), strict=False):
        for index, where, value in as_pairs(unread_source(data), shape):
            if index + offset in wanted:
                row = to_row(read_row((index + offset, where, value)), shape, recipe)
                if content_hash(row)[:16] != ledger.entry(row.index).hash:
                    raise DataError("the data changed while it was read", where=where, fix="run it again")
                yield row
