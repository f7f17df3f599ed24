"""How passages are put into a prompt: one way, for training rows, evaluation and chat alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from whet.data.refused import RowRefused
from whet.recipe.sections.retrieval import TEMPLATE
from whet.types import Message

T = TypeVar("T")
PLACES = ("{passages}", "{question}")


def with_passages(messages: Sequence[Message], texts: Sequence[str], template: str = TEMPLATE) -> list[Message]:
    """The conversation, with `texts` and its last question in `template` in the question's place; with no texts it
    stays as it is. Raises RowRefused where there is no question in words."""
    if not texts:
        return list(messages)
    place, question = question_of(messages)
    before, _, after = template.partition(PLACES[0])  # so that a brace within a passage is left as it is
    content = "\n\n".join(texts).join(part.replace(PLACES[1], question) for part in (before, after))
    return [*messages[:place], {**messages[place], "content": content}, *messages[place + 1 :]]


def as_many_as_fit(count: int, shown: Callable[[int], T], fits: Callable[[T], bool]) -> T:
    """What is shown with `count` passages, or with as many of the first of them as fit; without any where none does."""
    for number in range(count, 0, -1):
        made = shown(number)
        if fits(made):
            return made
    return shown(0)


def question_of(messages: Sequence[Message]) -> tuple[int, str]:
    """(place, words) of the last user message, which is what is looked up. Raises RowRefused where it has no words."""
    for place in range(len(messages) - 1, -1, -1):
        content = messages[place].get("content")
        if messages[place].get("role") == "user":
            if isinstance(content, str):
                return place, content
            break

    what = "there is no question in words to look up passages for"
    raise RowRefused("no-question", what, fix="end the prompt in a user message that is a text")
