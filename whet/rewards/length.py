"""Short answers: 1 up to a number of characters, from there in a straight line to 0 at twice as many."""

from __future__ import annotations

from collections.abc import Sequence

from whet.recipe.schema import Length
from whet.types import Message, Row


class LengthReward:
    def __init__(self, settings: Length) -> None:
        self.most = settings.most

    def __call__(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
        return [min(1.0, max(0.0, 2.0 - len(answer) / self.most)) for answer in answers]
