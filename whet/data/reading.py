"""The rows of a source as they are understood, one by one, without a tokenizer: what checks look at."""

from __future__ import annotations

from collections.abc import Iterator

from whet.data.convert import to_row
from whet.data.rankings import as_pairs
from whet.data.refuse import RowRefused
from whet.data.shape import Shape
from whet.data.source import read_row, unread_source
from whet.recipe.schema import Recipe
from whet.types import Row


def understood(recipe: Recipe, shape: Shape) -> Iterator[tuple[int, Row | RowRefused]]:
    """(index, row) of the recipe's data, or why a row cannot be used. Raises DataError for data that cannot be read."""
    for raw in map(read_row, as_pairs(unread_source(recipe.data), shape)):
        try:
            yield raw.index, to_row(raw, shape, recipe)
        except RowRefused as refusal:
            yield raw.index, refusal
