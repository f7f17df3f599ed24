"""Where the assistant's words are in a rendered conversation: found by rendering, never by markers typed by a user.

A turn is served by rendering the messages before it with a generation prompt, and letting the model write. So what it
has to learn starts exactly where that prompt ends. What ends it is found by rendering the conversation once more with
the turn replaced by a sentinel word: the text after the sentinel is the text after the words.

    <|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\nHello!<|im_end|>\\n
    `------------- prompt of the turn ---------------------'`words'`-stop---'
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whet.data.render.chat_template import Render, TemplateRaised, bind
from whet.types import Message

SENTINEL = "Wq7jXv9sEntineL"
"""A word that no data holds, without white space or anything that a template trims or escapes."""

_MARKER = re.compile(r"<[^<>\s]{1,48}>")
"""Looks like a control token. Used only where no tokenizer says which strings are."""


class CannotLocate(Exception):
    """The words of a turn cannot be told from what the template writes around them."""


class PromptDiffers(CannotLocate):
    """The template writes another header into the training text than into the prompt that serving would use."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One assistant turn in the rendered text, in characters: words and stop lie in [start, end)."""

    message: int
    start: int
    words_end: int
    end: int
    """After the stop marker; equal to words_end where the template writes none."""


def spans_of(
    template: str, messages: Sequence[Message], tools: list[dict[str, Any]] | None = None, **variables: Any
) -> tuple[str, list[tuple[int, int]]]:
    """Full text of a conversation and the spans of its assistant turns, from the template's source alone.

    Raises TemplateRaised where the template refuses the messages, CannotLocate where the spans cannot be known.
    """
    prompt = bool(variables.pop("add_generation_prompt", False))
    render = bind(template, tools=tools, variables=variables, clock=variables.pop("clock", None))
    text = render(messages, prompt=False)
    bos, eos = variables.get("bos_token"), variables.get("eos_token")
    stops = re.compile("|".join([_MARKER.pattern, *([re.escape(eos)] if eos else [])]))
    turns = []
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            turns.append(locate(render, messages, number, text, stops, bos, eos))

    return (render(messages, prompt=True) if prompt else text), [(turn.start, turn.end) for turn in turns]


def locate(
    render: Render,
    messages: Sequence[Message],
    number: int,
    text: str,
    stops: re.Pattern[str],
    bos: str | None = None,
    eos: str | None = None,
) -> Turn:
    """The span of assistant turn `number` in `text`, which is the rendering of all `messages`.

    `stops` matches the strings of control tokens. Raises CannotLocate, or PromptDiffers.
    """
    lead, tail = _around(render, messages, number)
    start = _start(render, messages, number, text, lead)
    if tail is not None and text.endswith(tail) and len(text) - len(tail) >= start:
        words_end = len(text) - len(tail)
        return Turn(number, start, words_end, words_end + _stop_length(tail, stops, bos, eos))

    return _by_prefix(render, messages, number, text, start, stops)


def prompt_text(render: Render, messages: Sequence[Message]) -> str:
    """What serving gives the model before it answers: the generation prompt, or the header where there is none."""
    prompt = render(messages, prompt=True)
    header = _missing_header(render, messages, prompt)
    return prompt + header


def _around(render: Render, messages: Sequence[Message], number: int) -> tuple[str | None, str | None]:
    """Text before and after a turn, with its words replaced by the sentinel; None where that cannot be rendered."""
    swapped = [*messages]
    swapped[number] = {"role": messages[number]["role"], "content": SENTINEL}

    try:
        text = render(swapped, prompt=False)
    except TemplateRaised:
        return None, None

    lead, found, tail = text.partition(SENTINEL)
    if found and SENTINEL not in tail:
        return (lead, tail)
    return (None, None)


def _start(render: Render, messages: Sequence[Message], number: int, text: str, lead: str | None) -> int:
    before = messages[:number]
    try:
        prompt = prompt_text(render, before)
    except TemplateRaised:  # a template may refuse an empty conversation, or one without a user
        prompt = None

    if prompt is not None and text.startswith(prompt):
        return len(prompt)
    if prompt is not None and not render(messages[: number + 1], prompt=False).startswith(prompt):
        raise PromptDiffers("the chat template writes another header before an answer than into its prompt")
    if lead is not None and text.startswith(lead):  # history is written differently, as where thinking is removed
        return len(lead)
    raise CannotLocate("the chat template changes the text around the answer")


def _missing_header(render: Render, messages: Sequence[Message], prompt: str) -> str:
    """The header of an answer, for a template that knows no generation prompt but writes one; otherwise empty."""
    try:
        if render(messages, prompt=False) != prompt:
            return ""
        last = render([*messages, {"role": "assistant", "content": SENTINEL}], prompt=False)
    except TemplateRaised:
        return ""

    lead, found, tail = last.partition(SENTINEL)
    header = lead[len(prompt) :]
    if not found or not lead.startswith(prompt) or not header.strip() or _always_prompts(render, messages, tail):
        return ""
    return header


def _always_prompts(render: Render, messages: Sequence[Message], tail: str) -> bool:
    """True for a template that ends every rendering with a generation prompt, asked for or not.

    Then the text after a last answer is not how the text after an earlier answer begins.
    """
    longer = [*messages, {"role": "assistant", "content": SENTINEL}, {"role": "user", "content": "x"}]
    try:
        return not render(longer, prompt=False).partition(SENTINEL)[2].startswith(tail)
    except TemplateRaised:
        return False


def _stop_length(tail: str, stops: re.Pattern[str], bos: str | None, eos: str | None) -> int:
    """Characters of the tail that belong to the turn: the first control token, and an end token right behind it."""
    length = _marker_at(tail, 0, stops, bos)
    if length and eos:
        again = re.compile(r"\s*" + re.escape(eos)).match(tail, length)
        length = again.end() if again else length
    return length


def _marker_at(text: str, at: int, stops: re.Pattern[str], bos: str | None) -> int:
    """End of a control token that is at `at`, white space before it allowed; `at` where there is none."""
    gap = len(text[at:]) - len(text[at:].lstrip())
    found = stops.match(text, at + gap)
    if found and found.group() != bos:
        return found.end()
    return at


def _by_prefix(
    render: Render, messages: Sequence[Message], number: int, text: str, start: int, stops: re.Pattern[str]
) -> Turn:
    """Without a sentinel: what the messages up to this turn render to must be the beginning of the text."""
    upto = render(messages[: number + 1], prompt=False)
    if not text.startswith(upto) or len(upto) < start:
        raise CannotLocate("the chat template changes an answer when the conversation goes on")
    end = start + len(upto[start:].rstrip())

    found = list(stops.finditer(text, start, end))
    if found and found[-1].end() == end:
        words_end = found[-1].start()
    else:
        words_end = end

    return Turn(number, start, words_end, end)
