"""The rows that leave this machine, as OpenAI's JSONL: the training and the validation part, and never the test."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from whet.data.ledger import Fate
from whet.data.prepare import Prepared, read_rows
from whet.errors import DataError
from whet.recipe.schema import Recipe
from whet.types import Message, Row

Part = Literal["training", "validation"]
TRAINED: Fate = "trained"
HELD_OUT: Fate = "validation"
KEYS = ("role", "content", "name", "weight", "tool_calls", "tool_call_id")
"""Of a message, as the API has them."""


def parts_of(prepared: Prepared, together: bool) -> dict[Part, tuple[Fate, ...]]:
    """The files that are sent, and which rows are in them; `together`: training and validation are one."""
    if not prepared.ledger.summary()["held_out"]["validation"]:
        return {"training": (TRAINED,)}
    if together:
        return {"training": (TRAINED, HELD_OUT)}
    return {"training": (TRAINED,), "validation": (HELD_OUT,)}


def lines_of(recipe: Recipe, prepared: Prepared, fates: tuple[Fate, ...]) -> Iterator[str]:
    """One JSON object a row. Raises DataError, naming the row, for what the API has no word for."""
    for row in read_rows(recipe, prepared, fates):
        yield json.dumps(line_of(row), ensure_ascii=False)


def line_of(row: Row) -> dict[str, Any]:
    if row.text is not None or not row.messages:
        fix = "bring rows of prompts and answers, or tune on this machine (without --at)"
        raise DataError("a service learns conversations, and this row is plain text", where=row.where, fix=fix)
    tools: dict[str, Any] = {"tools": row.tools} if row.tools else {}
    if row.rejected is None:
        if row.messages[-1].get("role") != "assistant":
            raise DataError("this row does not end in an answer", where=row.where, fix="add the answer, or remove it")
        return {"messages": wire(row.messages, row.where), **tools}

    return {
        "input": {"messages": wire(row.messages[: row.shared], row.where), **tools},
        "preferred_output": wire(row.messages[row.shared :], row.where),
        "non_preferred_output": wire(row.rejected[row.shared :], row.where),
    }


def wire(messages: Iterable[Message], where: str) -> list[Message]:
    """Messages as the API reads them: the arguments of a call are a text."""
    return [_wire(message, where) for message in messages]


def question(messages: Iterable[Message], where: str = "a prompt") -> list[Message]:
    """Messages as a chat is asked: weights are of the training alone."""
    return [{key: value for key, value in message.items() if key != "weight"} for message in wire(messages, where)]


def _wire(message: Message, where: str) -> Message:
    sent = {key: value for key, value in message.items() if value is not None}
    for key in sent:
        if key not in KEYS:
            what = f"the API has no word for {key!r} in a message"
            raise DataError(what, where=where, value=sent[key], fix="take it out of the rows, or tune without --at")
    if sent.get("weight", 1) not in (0, 1):
        raise DataError("a service takes the weights 0 and 1", where=where, value=sent["weight"], fix="use one of them")

    if calls := sent.get("tool_calls"):
        sent["tool_calls"] = [_call(call) for call in calls]
        sent["content"] = sent.get("content") or None
    return sent


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = json.dumps(function.get("arguments", {}), ensure_ascii=False)
    told = {"id": call.get("id"), "type": "function", "function": {"name": function["name"], "arguments": arguments}}
    return {key: value for key, value in told.items() if value is not None}
