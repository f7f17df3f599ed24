"""1 where a regular expression is found in the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from whet.recipe.schema import Regex
from whet.types import Message, Row


class RegexReward:
    def __init__(self, settings: Regex) -> None:
        self.pattern = re.compile(settings.pattern)

    def __call__(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
        return [float(bool(self.pattern.search(answer))) for answer in answers]
