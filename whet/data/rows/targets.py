"""Rows for a head: what it is to learn of each.

single        a class; anything that a cell can hold, as text
multi-label   a list of classes, which may be empty; in a table also a JSON list as text
regression    a number
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from whet.data.read.source import RawRow
from whet.data.refused import RowRefused
from whet.data.rows.fields import assistant, is_missing, text_of, user
from whet.data.rows.row_format import RowFormat
from whet.recipe.methods.base import Target
from whet.types import Row

MARGIN = "margin"
"""The column that holds margins where the recipe names none."""
NO_CLASS = "none"
"""The words for a row of no class, where words are needed."""


def labelled_row(raw: RawRow, shape: RowFormat, target: Target) -> Row:
    """A text with its target. `label`, which stratifies the split, is the class, or all classes of the row together.

    Raises RowRefused for a text or a label that is missing or of another kind than the task.
    """
    text_name, label_name = shape.columns["text"], shape.columns["label"]
    if not isinstance(raw.value, Mapping):
        raise RowRefused("wrong-form", "a plain text among rows of columns", value=raw.value, fix="remove the row")

    missing = [name for name in (text_name, label_name) if name not in raw.value]
    if missing:
        what = f"the column {missing[0]!r} is missing"
        raise RowRefused("missing-column", what, value=sorted(raw.value), fix=f"add {missing[0]!r}")

    text, value = text_of(raw.value[text_name], text_name), raw.value[label_name]
    row = Row(raw.index, raw.where)

    if target == "number":
        row.target = _number(value, label_name)
        words = f"{row.target:g}"
    else:
        row.target = sorted({shape.label(name) for name in classes_of(value, target)})
        words = ", ".join(row.target) or NO_CLASS
        row.label = words

    row.messages = [user(text), assistant(words)]
    return row


def classes_of(value: Any, target: Target | None) -> list[str]:
    """The classes that a cell names, as they are written there; none of a number. Raises RowRefused."""
    if target == "number":
        return []
    if target == "classes":
        return _classes(value)
    return [_class(value)]


def margin_of(value: object, column: str | None) -> float | None:
    """By how much the chosen answer is better, where the row says it. Raises RowRefused for what is no number."""
    name = column or MARGIN
    if not isinstance(value, Mapping) or name not in value:
        if column:
            raise RowRefused("missing-column", f"the column {column!r} is missing", fix=f"add {column!r}")
        return None
    return _number(value[name], name)


def _number(value: Any, name: str) -> float:
    try:
        if isinstance(value, bool):
            number = math.nan
        else:
            number = float(value)
    except (TypeError, ValueError):
        number = math.nan

    if not math.isfinite(number):
        raise RowRefused("wrong-type", f"{name!r} must be a number", value=value, fix="write a number")
    return number


def _class(value: Any) -> str:
    if isinstance(value, list | dict):
        fix = "set method.task: multi-label, or write one class a row"
        raise RowRefused("wrong-type", "one class is learned of each row, and this is a list", value=value, fix=fix)
    if is_missing(value) or not str(value).strip():
        raise RowRefused("empty-answer", "the label is missing", value=value, fix="label the row or remove it")
    return str(value).strip()


def _classes(value: Any) -> list[str]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, list):
        raise RowRefused("wrong-type", "the classes must be a list", value=value, fix='write ["one", "other"] or []')
    return sorted({_class(one) for one in value})
