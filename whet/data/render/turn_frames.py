"""What a template writes around the words of a turn, learned from one conversation and proved on the next.

`turn_spans.locate` finds a turn by rendering the conversation with a sentinel in its place: three renderings a turn.
The next conversation of the same shape (whet/data/render/field_coverage.py) is expected to be in the same frames. It
is proved on its own rendering: the prompt that serving would render, the header, the very words of the message and the
stop must follow each other in the text. Where they do not, the row is located the long way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whet.data.render.chat_template import Render, TemplateRaised
from whet.data.render.turn_spans import Turn
from whet.types import Message


@dataclass(frozen=True, slots=True)
class TurnFrame:
    """Around the words of message `message`: `header` between the rendered prompt and them, `stop` right after."""

    message: int
    header: str
    stop: str
    rest: str | None
    """Everything after the stop, for the last message."""


def frames_of(render: Render, messages: Sequence[Message], text: str, turns: Sequence[Turn]) -> list[TurnFrame] | None:
    """The frames of turns that were located the long way; None where words are not written as they are in the row,
    or end in no stop."""
    frames = []
    for turn in turns:
        prompt = _prompt(render, messages, turn.message)
        words = text[turn.start : turn.words_end]

        plain = words.strip() and words in _forms(messages[turn.message])
        if prompt is None or not text.startswith(prompt) or len(prompt) > turn.start or not plain:
            return None
        if turn.end == turn.words_end:
            return None

        if turn.message == len(messages) - 1:
            rest = text[turn.end :]
        else:
            rest = None
        frames.append(TurnFrame(turn.message, text[len(prompt) : turn.start], text[turn.words_end : turn.end], rest))

    return frames


def apply_frames(
    render: Render, messages: Sequence[Message], text: str, frames: Sequence[TurnFrame] | None
) -> list[Turn] | None:
    """The turns of a conversation that is in these frames; None where it does not, or there are none."""
    if frames is None:
        return None

    turns = []
    for frame in frames:
        prompt = _prompt(render, messages, frame.message)
        if prompt is None or not text.startswith(prompt + frame.header):
            return None

        start = len(prompt) + len(frame.header)
        for words in _forms(messages[frame.message]):
            end = start + len(words) + len(frame.stop)
            if text.startswith(words + frame.stop, start) and frame.rest in (None, text[end:]):
                turns.append(Turn(frame.message, start, start + len(words), end))
                break
        else:
            return None

    return turns


def _prompt(render: Render, messages: Sequence[Message], number: int) -> str | None:
    try:
        return render(messages[:number], prompt=True)
    except TemplateRaised:
        return None


def _forms(message: Message) -> tuple[str, ...]:
    """The words of a plain message as a template writes them: as they are, or trimmed."""
    content = message.get("content")
    if not isinstance(content, str) or message.keys() - {"role", "content", "name"} or not content.strip():
        return ()
    return (content, content.strip())
