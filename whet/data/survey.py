"""A first look at a whole source, which keeps no row: how many, which shape, and whether any holds a thought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from whet.data.read.remarks import heard
from whet.data.read.source import read_source
from whet.data.refused import RowRefused
from whet.data.render.field_coverage import REASONING, strings_in
from whet.data.rows import rankings
from whet.data.rows.format_detector import Detector
from whet.data.rows.label_forms import MOST_LABELS, joined, told
from whet.data.rows.row_format import RowFormat
from whet.data.rows.targets import classes_of
from whet.errors import DataError
from whet.recipe.schema import Recipe


@dataclass(frozen=True, slots=True)
class Survey:
    shape: RowFormat
    rows: int
    """Rows, or the pairs that rankings become."""
    reasoning: bool
    """Whether a row holds a thought, between tags or in a field of its own; False where that was not asked."""
    labels: dict[str, int] = field(default_factory=dict)
    """Of rows with labels: how many rows have each; empty where they are too many to be classes."""
    remarks: tuple[str, ...] = ()
    """What the readers had to tell of the files."""


def survey(
    data: str | list[str], recipe: Recipe, look_for_reasoning: bool, control: frozenset[str] = frozenset()
) -> Survey:
    """`control` are the base's control tokens. Raises DataError for what cannot be read, and for rows that no shape
    fits."""
    found, rows, reasoning = None, 0, False
    labels: Counter[str] = Counter()
    with heard() as remarks:
        for raw in read_source(data):
            found = found or Detector(raw.value, recipe, raw.where, control)
            found.add(raw.value, raw.where)

            if found.first.kind == "label" and len(labels) <= MOST_LABELS:
                labels.update(_labels(raw.value, found.first, recipe))
            rows += rankings.count(raw.value, found.first)

            if look_for_reasoning and not reasoning:  # names of fields are strings too
                reasoning = any("<think>" in text or text in REASONING for text in strings_in(raw.value))

    assert found is not None, "read_source refuses a source without rows"
    if len(labels) <= MOST_LABELS:
        counted = dict(labels)
    else:
        counted = {}

    return Survey(found.settle(), rows, reasoning, counted, tuple(remarks))


def with_labels_joined(looks: list[Survey], recipe: Recipe) -> tuple[list[Survey], list[str]]:
    """Sources whose labels are written alike where the recipe joins them, and what is to be said of labels that have
    several forms. Raises DataError where there are no labels that could be joined."""
    labels: Counter[str] = Counter()
    for look in looks:
        labels.update(look.labels)

    if recipe.join_labels and not labels:
        what = "the rows hold no labels that could be joined"
        raise DataError(what, where="join_labels", value=looks[0].shape.describe(), fix="leave join_labels out")

    if recipe.join_labels:
        looks = [replace(look, shape=replace(look.shape, joined=joined(labels))) for look in looks]
    return looks, told(labels, recipe.join_labels)


def _labels(value: Any, shape: RowFormat, recipe: Recipe) -> list[str]:
    if not isinstance(value, Mapping):
        return []
    try:
        return classes_of(value.get(shape.columns["label"]), recipe.method.target)
    except RowRefused:  # the row is refused when it is read
        return []
