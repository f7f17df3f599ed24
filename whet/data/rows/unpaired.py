"""A raw answer that somebody marked good or bad (KTO's form) to a conversation and its mark.

prompt + completion + label     texts, messages, or lists of messages
messages + label                a conversation whose last turn was marked
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whet.data.refused import RowRefused
from whet.data.rows.judgements import mark_of
from whet.data.rows.messages import clean_messages, clean_tools
from whet.data.rows.preferences import answer_messages, joined, prompt_of, weighed
from whet.data.rows.row_format import RowFormat
from whet.types import Message


def unpaired_answer(
    value: Mapping[str, Any], form: RowFormat
) -> tuple[list[Message], list[dict[str, Any]] | None, bool]:
    """(conversation, tools, whether its last turn is good). Earlier answers have weight 0. Raises RowRefused."""
    if "messages" in form.columns:
        messages = clean_messages(value[form.columns["messages"]])
        tools = clean_tools(value.get("tools") or value.get("functions"))
    else:
        prompt, tools = prompt_of(value, form)
        name = form.columns["completion"]
        messages = joined(prompt, answer_messages(value[name], name))

    if not messages or messages[-1]["role"] != "assistant":
        raise RowRefused("no-answer", "the conversation does not end in an answer", fix="remove the row")
    if len(messages) == 1:
        raise RowRefused("no-prompt", "nothing comes before the answer", fix="add a prompt")
    return weighed(messages, len(messages) - 1), tools, desirable(value[form.columns["label"]])


def desirable(value: Any) -> bool:
    """True or false, as a boolean, a word, or 1 and 0. Raises RowRefused."""
    mark = mark_of(value)
    if mark is None:
        fix = "mark the row or remove it"
        raise RowRefused("no-mark", "the mark is neither true nor false", value=value, fix=fix)
    return mark
