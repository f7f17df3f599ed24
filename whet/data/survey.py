"""A first look at a whole source, which keeps no row: how many, which shape, and whether any holds a thought."""

from __future__ import annotations

from dataclasses import dataclass

from whet.data import rankings
from whet.data.coverage import REASONING, strings_in
from whet.data.remarks import heard
from whet.data.shape import Detector, Shape
from whet.data.source import read_source
from whet.recipe.schema import Recipe


@dataclass(frozen=True, slots=True)
class Survey:
    shape: Shape
    rows: int
    """Rows, or the pairs that rankings become."""
    reasoning: bool
    """Whether a row holds a thought, between tags or in a field of its own; False where that was not asked."""
    remarks: tuple[str, ...] = ()
    """What the readers had to tell of the files."""


def survey(data: str | list[str], recipe: Recipe, look_for_reasoning: bool) -> Survey:
    """Raises DataError for what cannot be read, and for rows that no shape fits."""
    found, rows, reasoning = None, 0, False
    with heard() as remarks:
        for raw in read_source(data):
            found = found or Detector(raw.value, recipe, raw.where)
            found.see(raw.value, raw.where)
            rows += rankings.count(raw.value, found.first)
            if look_for_reasoning and not reasoning:  # names of fields are strings too
                reasoning = any("<think>" in text or text in REASONING for text in strings_in(raw.value))
    assert found is not None, "read_source refuses a source without rows"
    return Survey(found.shape(), rows, reasoning, tuple(remarks))
