"""One row's texts to turns in one dialect: a whole conversation, or prompt and answer, cut anywhere before the answer's
words. Whatever is not proved raises NotProved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from whet.data.rows.dialects import Dialect
from whet.data.rows.templated_texts import NotProved, Turns, is_marked, turns_of
from whet.types import Message

if TYPE_CHECKING:
    from whet.data.rows.row_format import RowFormat

ANSWERS = ("completion", "chosen", "rejected")
LEARNS_ANSWERS = ("prompt-completion", "alpaca")
"""Forms of which every answer is learned that does not say otherwise; the others learn the last one alone."""


def as_turns(value: Mapping[str, Any], shape: RowFormat, dialect: Dialect) -> dict[str, Any]:
    """The row with messages in the place of its texts. Raises NotProved."""
    columns = shape.columns
    held = {role: value.get(name) for role, name in columns.items()}

    if "messages" in columns:
        found = {"messages": turns_of(_text(held["messages"]), dialect, whole=True).messages}
    elif any(role in columns for role in ANSWERS):
        found = _both(held, shape, dialect)
    elif "prompt" in columns:
        found = {"prompt": _question(_text(held["prompt"]), dialect)}
    else:
        raise NotProved("no column holds what can be read as turns")

    _refuse_beside(held, columns, found)
    return {**value, **{columns[role]: turns for role, turns in found.items() if role in columns}}


def _both(held: Mapping[str, Any], shape: RowFormat, dialect: Dialect) -> dict[str, list[Message]]:
    """Prompt and answers. What an answer within a prompt says is an example, perhaps of what is wrong: not learned."""
    found: dict[str, list[Message]] = {}
    for role in (role for role in ANSWERS if role in shape.columns):
        prompt, found[role] = _pair(_text(held.get("prompt") or ""), _text(held[role]), dialect, role != "completion")
        learned = shape.kind in LEARNS_ANSWERS
        found["prompt"] = [turn | {"weight": 0} if learned and turn["role"] == "assistant" else turn for turn in prompt]
    return found


def _refuse_beside(held: Mapping[str, Any], columns: Mapping[str, str], found: Mapping[str, list[Message]]) -> None:
    """What is in a column of its own would vanish beside turns, or be in the wrong place."""
    extra, system = held.get("input"), held.get("system")
    if isinstance(extra, str) and extra.strip():
        raise NotProved(f"the column {columns['input']!r} is beside it")
    if not isinstance(system, str) or not system.strip():
        return

    own = [turns[0]["content"] for turns in found.values() if turns and turns[0]["role"] == "system"]
    if any(words.strip() != system.strip() for words in own):
        raise NotProved(f"the column {columns['system']!r} is beside a system prompt of its own")


def _text(held: Any) -> str:
    if not isinstance(held, str):
        raise NotProved("the row holds messages, too")
    return held


def _question(prompt: str, dialect: Dialect) -> list[Message]:
    turns = turns_of(prompt, dialect)
    if not turns.asks and turns.messages[-1]["role"] == "assistant":
        raise NotProved("the prompt already holds words of the answer")
    return turns.messages


def _pair(prompt: str, answer: str, dialect: Dialect, whole: bool) -> tuple[list[Message], list[Message]]:
    """Prompt and answer; `whole`: the answer may be a whole conversation, the prompt in it."""
    if not is_marked(prompt, "prompt"):
        turns = turns_of(answer, dialect, whole).messages
        if whole and turns[0]["role"] != "assistant":
            return [{"role": "user", "content": prompt}] if prompt.strip() else [], turns
        if [turn["role"] for turn in turns] != ["assistant"]:
            raise NotProved("the answer holds more than one turn")
        return [{"role": "user", "content": prompt}], turns

    question = _question(prompt, dialect)
    if not is_marked(answer, "answer"):
        together = _together(prompt, answer, dialect, question)
        return question, together or [{"role": "assistant", "content": answer}]

    together = _together(prompt, answer, dialect, question)
    if together:
        return question, together

    turns = turns_of(answer, dialect, whole).messages
    if whole and turns[0]["role"] != "assistant":
        return question, turns

    raise NotProved("prompt and answer do not make one conversation")


def _together(prompt: str, answer: str, dialect: Dialect, question: list[Message]) -> list[Message] | None:
    """The answer as the turn that follows the question in one text; None where the text of both is none."""
    try:
        turns: Turns = turns_of(f"{prompt.rstrip()}\n{answer}", dialect)
    except NotProved:
        return None
    messages = turns.messages
    follows = messages[:-1] == question and messages[-1]["role"] == "assistant"
    return messages[-1:] if follows else None
