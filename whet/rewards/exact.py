"""1 for the reference answer, 0 for any other."""

from __future__ import annotations

from collections.abc import Sequence

from whet.errors import DataError
from whet.recipe.schema import Exact
from whet.rewards.protocol import reference_of
from whet.text.normalise import final_answer, normalise
from whet.types import Message, Row


class ExactReward:
    def __init__(self, settings: Exact) -> None:
        self.final = settings.part == "final"

    def __call__(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
        return [float(self._right(answer, row)) for answer, row in zip(answers, rows, strict=True)]

    def _right(self, answer: str, row: Row) -> bool:
        reference = reference_of(row, "exact")
        if not self.final:
            return normalise(answer) == normalise(reference)
        expected = final_answer(reference)
        if expected is None:
            fix = "end the references in a line `#### RESULT`, or set part: answer"
            raise DataError("the reference has no result after ####", where=row.where, value=reference, fix=fix)
        return final_answer(answer) == expected
