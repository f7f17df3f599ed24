"""`{{item.answer}}` and `{{sample.output_text}}` in the texts of a grader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from whet.rewards.json_match import refuse_constant

HOLE = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
PLACE = re.compile(r"(item|sample)((?:\.[^.\[\]{}\s]+|\[\d+\])+)")
STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
OF_SAMPLE = ("output_text", "output_json")
"""What a sample has here; OpenAI's also has output_tools, output_audio and choices."""


class UnknownVariable(Exception):
    """A template names what the item or the sample does not have."""


@dataclass(frozen=True)
class Sample:
    """An answer, and the row that it answers."""

    text: str
    item: Mapping[str, Any]

    @cached_property
    def json(self) -> Any:
        """What the answer is as JSON; None where it is none."""
        try:
            return json.loads(self.text, parse_constant=refuse_constant)
        except (ValueError, RecursionError):
            return None

    @property
    def namespace(self) -> dict[str, Any]:
        """As graders in Python get it."""
        return {"output_text": self.text, "output_json": self.json}


def unknown_names(text: str) -> Iterator[str]:
    """The holes of a template that nothing here fills, whatever the row."""
    for hole in HOLE.findall(text):
        place = PLACE.fullmatch(hole)
        if place is None or (place[1] == "sample" and _steps(place[2])[0] not in OF_SAMPLE):
            yield hole


def item_columns(text: str) -> set[str]:
    """The columns of a row that a template reads."""
    places = [PLACE.fullmatch(hole) for hole in HOLE.findall(text)]
    return {str(_steps(place[2])[0]) for place in places if place and place[1] == "item"}


def fill(text: str, sample: Sample) -> str:
    """Raises UnknownVariable."""
    return HOLE.sub(lambda match: _value(match[1], sample), text)


def _value(hole: str, sample: Sample) -> str:
    place = PLACE.fullmatch(hole)
    if place is None:
        raise UnknownVariable(hole)

    value: Any = sample.item if place[1] == "item" else sample.namespace
    for step in _steps(place[2]):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError) as error:
            raise UnknownVariable(hole) from error

    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _steps(path: str) -> list[str | int]:
    return [name or int(number) for name, number in STEP.findall(path)]
