"""Rows of any form as lines of one form, which read back to the very same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from whet.data.read.source import RawRow, read_row, unread_source
from whet.data.refused import RowRefused
from whet.data.rows.convert import detect, to_row
from whet.data.rows.rankings import as_pairs
from whet.data.rows.row_format import RowFormat
from whet.data.survey import survey, with_labels_joined
from whet.errors import DataError, InputError
from whet.recipe.external import is_function
from whet.recipe.methods.base import ANSWERED, TEXT
from whet.recipe.schema import Columns, Recipe
from whet.text.normalise import normalise
from whet.types import Message, Row

LineForm = Literal["chat", "label"]
"""Conversations, or texts with a label."""
LABELLED = ("text", "label")
"""The columns of the second."""
PROVENANCE = ("trace", "at", "where")
"""Columns that say where a new row came from."""


def refuse_unmergeable(recipe: Recipe, run: str) -> None:
    """Before anything is read: recipes whose rows are not prompts with answers, or that read columns of their own.
    Raises InputError."""
    method, needs = recipe.method, recipe.method.rows
    why = ""
    if not needs.answered or not needs.forms <= ANSWERED | TEXT or needs.as_text:
        why = f"rows of {method.name} are not prompts with answers"
    elif refused := method.why_not("failures", recipe):
        why = refused.what
    elif recipe.retrieval:
        why = "its prompts hold passages that a retriever finds"
    elif is_function(recipe.evaluate.metric):
        why = "its metric is a function of yours, which may read any column"

    if why:
        fix = "merge the files yourself, tune, and compare with: whet models diff"
        raise InputError(f"this run cannot be trained again by itself: {why}", where=f"run {run}", fix=fix)


def data_rows(recipe: Recipe, control: frozenset[str]) -> tuple[list[Row], RowFormat]:
    """The rows of the data and of the test file as the recipe reads them, without those that it refuses (the ledger
    of the next run names these), and the form of the data. `control` are the base's control tokens. Raises DataError
    for what cannot be read, and for plain text."""
    places = [recipe.data, *([recipe.test] if recipe.test else [])]
    looks, _ = with_labels_joined([survey(place, recipe, False, control) for place in places], recipe)
    if looks[0].shape.kind == "text":
        what = "rows of plain text have no answers that could be corrected"
        raise DataError(what, where=str(recipe.data), fix="tune again on more text")

    rows: list[Row] = []
    for place, look in zip(places, looks, strict=True):
        rows += _usable(place, look.shape, recipe)
    return rows, looks[0].shape


def _usable(place: str | list[str], shape: RowFormat, recipe: Recipe) -> Iterator[Row]:
    for unread in as_pairs(unread_source(place), shape):
        try:
            yield to_row(read_row(unread), shape, recipe)
        except RowRefused:
            continue


def plain(recipe: Recipe) -> Recipe:
    """The recipe for rows whose columns have their usual names."""
    return recipe.model_copy(update={"columns": Columns(), "format": "auto", "test": None})


def read_values(
    values: list[tuple[str, dict[str, Any] | str]], recipe: Recipe, old: RowFormat
) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    """New rows, each given as (where, value), as rows of the same labels. Raises DataError, naming the row."""
    shape = detect((value for _, value in values), recipe, (where for where, _ in values))
    shape = replace(shape, joined=old.joined)
    for number, (where, value) in enumerate(values):
        try:
            yield to_row(RawRow(number, where, value), shape, recipe), value if isinstance(value, Mapping) else {}
        except RowRefused as refusal:
            raise DataError(refusal.what, where=where, value=refusal.value, fix=refusal.fix) from refusal


def form_of(shape: RowFormat) -> LineForm:
    return "label" if shape.kind == "label" else "chat"


def conformed(row: Row, form: LineForm, recipe: Recipe) -> Row | None:
    """A new row as the old ones are; None where it cannot be one of them."""
    if row.rejected is not None or row.desirable is not None or not row.reference.strip():
        return None
    if form == "chat":
        return replace(row, label=None)

    asked = [message for message in row.prompt if message["role"] not in ("system", "developer")]
    if recipe.method.target or row.label is not None:
        return row
    if len(asked) != 1 or asked[0]["role"] != "user" or not isinstance(asked[0].get("content"), str):
        return None
    label = row.reference.strip()
    return replace(row, label=label, messages=[*row.prompt, {"role": "assistant", "content": label}])


def line_of(row: Row, form: LineForm, came_from: Mapping[str, Any], usual_system: str | None) -> dict[str, Any]:
    """The row as a line of a file. `group` stands in each, `came_from` in those of new rows; `usual_system` is the
    system prompt that the recipe gives to rows without one."""
    line: dict[str, Any]
    if form == "chat":
        line = {"messages": row.messages} | ({"tools": row.tools} if row.tools else {})
    else:
        first = row.messages[0]
        system = first["content"] if first["role"] == "system" and first["content"] != usual_system else ""
        label: Any = row.label if row.target is None else row.target
        if isinstance(label, list) and len(label) == 1:
            (label,) = label
        line = {"system": system, "text": row.messages[-2]["content"], "label": label}
    return line | {"group": row.group} | {key: came_from[key] for key in PROVENANCE if key in came_from}


def recipe_for(recipe: Recipe, data: str, test: str, form: LineForm) -> Recipe:
    """What was asked for, over lines of this form."""
    columns = Columns(group="group", text=LABELLED[0], label=LABELLED[1]) if form == "label" else Columns(group="group")
    changed = {"data": data, "test": test, "format": form, "columns": columns, "join_labels": False}
    return recipe.model_copy(deep=True, update=changed)


def question_of(row: Row) -> str:
    """What a row asks, so that rows that ask the same can be found: all turns before the answer but the system
    prompt's."""
    said = [
        f"{one['role']}: {normalise(_words(one))}" for one in row.prompt if one["role"] not in ("system", "developer")
    ]
    return "\n".join(said)


def answer_of(row: Row) -> str:
    return normalise(row.reference)


def _words(message: Message) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else repr(content)
