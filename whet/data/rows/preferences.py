"""A raw preference pair to two whole conversations. What both begin with is the prompt, and is not learned.

prompt + chosen + rejected      texts, messages, or lists of messages; a prompt may be in both answers, too
input + preferred_output + ...  OpenAI's
chosen + rejected               whole conversations, or transcripts that begin with "\\n\\nHuman:" (Anthropic's HH)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whet.data.refused import RowRefused
from whet.data.rows.dialects import SPEAKER
from whet.data.rows.fields import answer_of, assistant, side, text_of
from whet.data.rows.messages import clean_messages, clean_tools
from whet.data.rows.row_format import RowFormat
from whet.types import Message

ROLES = {"Human": "user", "Assistant": "assistant"}

Sides = tuple[list[Message], list[Message], list[dict[str, Any]] | None]


def both_sides(value: Mapping[str, Any], shape: RowFormat) -> Sides:
    """(conversation with the chosen answer, with the rejected one, tools). Assistant turns of the prompt have weight
    0. Raises RowRefused."""
    prompt, tools = prompt_of(value, shape)
    answers = [answer_messages(value[shape.columns[name]], shape.columns[name]) for name in ("chosen", "rejected")]

    chosen, rejected = (joined(prompt, answer) for answer in answers)
    if chosen == rejected:
        raise RowRefused("same-answer", "the chosen and the rejected answer are the same", fix="remove the row")

    shared = next((n for n, (one, other) in enumerate(zip(chosen, rejected, strict=False)) if one != other), None)
    if shared is None:
        raise RowRefused("no-answer", "one conversation is only the beginning of the other", fix="remove the row")

    for conversation in (chosen, rejected):
        if conversation[-1]["role"] != "assistant":
            raise RowRefused("no-answer", "a conversation does not end in an answer", fix="remove the row")
        if conversation[shared]["role"] == "user":
            what = f"the questions differ (message {shared + 1}), so the answers cannot be compared"
            raise RowRefused("other-prompt", what, fix="remove the row")

    if not shared:
        raise RowRefused("no-prompt", "nothing comes before the answers", fix="add a prompt")
    return weighed(chosen, shared), weighed(rejected, shared), tools


def prompt_of(value: Mapping[str, Any], shape: RowFormat) -> tuple[list[Message], list[dict[str, Any]] | None]:
    name = shape.columns.get("prompt")
    tools = clean_tools(value.get("tools"))

    if name is None:
        return [], tools
    prompt = value.get(name)
    if isinstance(prompt, Mapping) and "messages" in prompt:
        return clean_messages(prompt["messages"]), clean_tools(prompt.get("tools")) or tools
    extra = value.get(shape.columns.get("input", ""))

    if isinstance(prompt, str) and SPEAKER.match(prompt):
        return _transcript(prompt), tools
    if isinstance(prompt, str) and isinstance(extra, str) and extra.strip():
        prompt = f"{prompt}\n\n{extra}"
    return side(prompt, name, "user"), tools


def answer_messages(value: Any, name: str) -> list[Message]:
    """An answer, or a whole conversation."""
    if isinstance(value, str) and SPEAKER.match(value):
        return _transcript(value)
    if isinstance(value, list):
        return clean_messages(value)
    if isinstance(value, Mapping) and ("role" in value or "from" in value):
        return clean_messages([value])
    return [assistant(answer_of(value, name))]


def _transcript(text: str) -> list[Message]:
    """ "\\n\\nHuman: Hi\\n\\nAssistant: Hello" as messages; an open last turn of the assistant is left out."""
    _, *pieces = SPEAKER.split(text_of(text, "transcript"))
    turns = zip(pieces[::2], pieces[1::2], strict=True)
    messages = [{"role": ROLES[speaker], "content": words.strip()} for speaker, words in turns]
    if messages[-1] == assistant(""):
        return messages[:-1]
    return messages


def joined(prompt: list[Message], answer: list[Message]) -> list[Message]:
    """Prompt and answer; where the answer is a whole conversation already, the prompt must be in it."""
    if not answer:
        raise RowRefused("empty-answer", "an answer is empty", value=answer, fix="fill it or remove the row")
    if answer[0]["role"] in ("assistant", "tool") or not prompt:
        return prompt + answer
    if prompt[-1] not in answer[:-1]:
        raise RowRefused(
            "other-prompt",
            "the prompt is not the one that the whole conversations begin with",
            value=prompt[-1],
            fix="leave the prompt out of one of them",
        )

    return answer


def weighed(messages: list[Message], shared: int) -> list[Message]:
    """The prompt is not learned, and every answer counts as much as the other."""
    marked = []
    for number, message in enumerate(messages):
        rest = {key: value for key, value in message.items() if key != "weight"}
        weighs_nothing = number < shared and message["role"] == "assistant"
        marked.append(rest | {"weight": 0} if weighs_nothing else rest)
    return marked
