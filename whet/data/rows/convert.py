"""A raw row to a Row: a conversation or a text. A row that cannot be converted is refused with a code and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from whet.data.read.source import RawRow, read_source
from whet.data.refused import RowRefused
from whet.data.rows import rankings
from whet.data.rows.fields import answer_of, assistant, is_missing, side, text_of, user
from whet.data.rows.format_detector import detect
from whet.data.rows.messages import clean_messages, clean_tools
from whet.data.rows.preferences import both_sides
from whet.data.rows.roles import with_roles
from whet.data.rows.row_format import RowFormat
from whet.data.rows.targets import labelled_row, margin_of
from whet.data.rows.templated_rows import turned
from whet.data.rows.unpaired import unpaired_answer
from whet.errors import DataError
from whet.recipe.external import is_function
from whet.recipe.schema import Recipe
from whet.types import Message, Row

__all__ = ["RowRefused", "RowFormat", "detect", "every_row", "to_row"]


def every_row(data: str, recipe: Recipe) -> Iterator[Row]:
    """The rows of a file of which each must be usable. Raises DataError, naming the row."""
    raws = list(read_source(data))
    places = (raw.where for raw in raws)
    shape = detect((raw.value for raw in raws), recipe, places)
    for raw in raws:
        try:
            yield to_row(raw, shape, recipe)
        except RowRefused as refusal:
            raise DataError(refusal.what, where=raw.where, value=refusal.value, fix=refusal.fix) from refusal


def to_row(raw: RawRow, shape: RowFormat, recipe: Recipe) -> Row:
    """Raises RowRefused with `where` set."""
    try:
        target, needs = recipe.method.target, recipe.method.rows
        if target:
            row = labelled_row(raw, shape, target)
        else:
            row = _convert(raw, shape)

        if needs.margin:
            row.target = margin_of(raw.value, recipe.columns.margin)

        if isinstance(raw.value, Mapping) and recipe.columns.group:
            group = raw.value.get(recipe.columns.group)
            row.group = None if group is None else str(group)
        elif isinstance(raw.value, Mapping) and shape.kind == "ranking":
            row.group = raw.value[rankings.QUESTION]

        if isinstance(raw.value, Mapping) and recipe.columns.passage:
            passage = raw.value.get(recipe.columns.passage)
            if not is_missing(passage):
                row.passage = str(passage).strip() or None

        scored = not needs.answered or is_function(recipe.evaluate.metric)
        if scored and isinstance(raw.value, Mapping):
            row.fields = dict(raw.value)

        if row.text is None:
            for messages in (row.messages, row.rejected):
                if messages is not None:
                    _add_system(messages, raw, shape, recipe)
                    _refuse_empty(messages, needs.answered)
        return row
    except RowRefused as refusal:
        raise RowRefused(refusal.code, refusal.what, where=raw.where, value=refusal.value, fix=refusal.fix) from refusal


def _convert(raw: RawRow, shape: RowFormat) -> Row:
    value = raw.value
    if isinstance(value, str):
        if shape.kind != "text" or shape.columns:
            raise RowRefused("wrong-form", "a plain text among rows of columns", value=value, fix="remove the row")
        return Row(raw.index, raw.where, text=text_of(value, "text"))

    if shape.kind == "ranking":
        if rankings.QUESTION not in value:
            rankings.refuse(value, shape)
        shape = rankings.pair_shape(shape)

    missing = [name for role, name in shape.columns.items() if name not in value and role not in ("system", "input")]
    if missing or not shape.columns:
        name = missing[0] if missing else "text"
        raise RowRefused("missing-column", f"the column {name!r} is missing", value=sorted(value), fix=f"add {name!r}")

    value = with_roles(value, shape.columns.values(), shape.roles)
    if shape.dialect:
        value = turned(value, shape, shape.dialect)

    field = {role: value.get(name) for role, name in shape.columns.items()}
    if shape.kind == "text":
        return Row(raw.index, raw.where, text=text_of(field["text"], shape.columns["text"]))

    row = Row(raw.index, raw.where)
    _fill(row, value, field, shape)
    return row


def _fill(row: Row, value: Mapping[str, Any], field: dict[str, Any], shape: RowFormat) -> None:
    """Messages and all else that the row's format says; `field` holds the values by their role in it."""
    if shape.kind == "preference":
        row.messages, row.rejected, row.tools = both_sides(value, shape)
    elif shape.kind == "unpaired":
        row.messages, row.tools, row.desirable = unpaired_answer(value, shape)
        row.label = "good" if row.desirable else "bad"
    elif shape.kind in ("chat", "sharegpt"):
        row.messages = clean_messages(field["messages"])
        row.tools = clean_tools(value.get("tools") or value.get("functions"))
    elif shape.kind == "label":
        row.label = shape.label(_label(field["label"]))
        row.messages = [user(text_of(field["text"], shape.columns["text"])), assistant(row.label)]
    elif shape.kind == "alpaca":
        prompt = _instruction(field, shape)
        row.messages = [user(prompt), assistant(answer_of(field["completion"], shape.columns["completion"]))]
    elif shape.kind == "prompt":
        row.messages = side(field["prompt"], shape.columns["prompt"], "user")
        row.tools = clean_tools(value.get("tools"))
    else:
        row.messages = side(field["prompt"], shape.columns["prompt"], "user")
        row.messages += side(field["completion"], shape.columns["completion"], "assistant")
        row.tools = clean_tools(value.get("tools"))


def _instruction(field: dict[str, Any], shape: RowFormat) -> str:
    """Alpaca's instruction, and below it the input, where there is one."""
    prompt, extra = text_of(field["prompt"], shape.columns["prompt"]), field.get("input")
    if extra is not None and not isinstance(extra, str):
        raise RowRefused("wrong-type", "the input must be a text", value=extra, fix="write it as a text")

    if extra and extra.strip():
        return f"{prompt}\n\n{extra}"
    return prompt


def _label(value: Any) -> str:
    if is_missing(value) or str(value).strip() == "" or isinstance(value, dict | list):
        raise RowRefused("empty-answer", "the label is missing", value=value, fix="label the row or remove it")
    return str(value).strip()


def _add_system(messages: list[Message], raw: RawRow, shape: RowFormat, recipe: Recipe) -> None:
    if messages and messages[0]["role"] in ("system", "developer"):
        return

    own = None
    column = shape.columns.get("system")
    if column and isinstance(raw.value, Mapping):
        own = raw.value.get(column)

    if own is not None and not isinstance(own, str):
        raise RowRefused("wrong-type", "the system prompt must be a text", value=own, fix="write it as a text")

    system = recipe.system
    if own and own.strip():
        system = own
    if system:
        messages.insert(0, {"role": "system", "content": system})


def _refuse_empty(messages: list[Message], answered: bool) -> None:
    """`answered`: there must be an answer, because it is to be learned."""
    if not messages:
        raise RowRefused("empty-text", "the conversation has no messages", fix="fill it or remove the row")

    for number, message in enumerate(messages):
        content = message.get("content")
        if (isinstance(content, str) and content.strip()) or (isinstance(content, list) and content):
            continue
        if message["role"] == "assistant" and not message.get("tool_calls") and message.get("weight", 1) != 0:
            raise RowRefused(
                "empty-answer", f"message {number + 1} (assistant) is empty", fix="fill it, remove the row, or weight 0"
            )
        if message["role"] == "user":
            raise RowRefused("empty-text", f"message {number + 1} (user) is empty", fix="fill it or remove the row")

    if answered and not any(message["role"] == "assistant" for message in messages):
        raise RowRefused("no-answer", "there is no assistant message to learn", fix="add one or remove the row")
