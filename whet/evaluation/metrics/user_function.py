"""A metric that the user writes, named in the recipe as `evaluate: {metric: file.py:function}`.

    def metric(answer, reference, row):
        return float(row["code"] in answer)

`answer` is what the model wrote, without spaces around it, `reference` the row's own answer ("" where it has none) and
`row` its columns as they stand in the file, as a dictionary. The function returns a finite number; higher is better.
Numbers within 0..1 are told in percent, others as they are.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from whet.errors import RunError
from whet.rewards.user_code import line_of, of_the_user, printing_aside, told
from whet.rewards.user_function import load_metric, number
from whet.types import Row

ASKED_TWICE = 8
"""Rows whose score is computed twice, to find a function that does not always say the same."""


class OwnMetric:
    def __init__(self, place: str) -> None:
        """Imports the file. Raises RecipeError for a file that cannot be imported, or a function of another form."""
        self.place = place
        self.function = load_metric(place)
        self.asked = 0

    def __call__(self, answer: str, row: Row) -> float:
        """Raises RunError where the function fails, returns no finite number, or contradicts itself."""
        value = self._once(answer, row)
        if self.asked < ASKED_TWICE:
            self.asked += 1
            again = self._once(answer, row)
            if again != value:
                what = f"{self.place} scores the same answer differently when asked again"
                fix = "take chance and memory out of the function, or seed it"
                raise RunError(what, where=row.where, value=f"{value:g}, then {again:g}", fix=fix)

        return value

    def _once(self, answer: str, row: Row) -> float:
        try:
            with printing_aside():
                value = self.function(answer, row.reference, dict(row.fields or {}))
        except BaseException as error:
            if not of_the_user(error):
                raise
            what = f"the metric {self.place} failed: {told(error)}"
            where = f"{line_of(error, self.place.rpartition(':')[0])}, {row.where}, answer {answer[:80]!r}"
            raise RunError(what, where=where, fix="mend the function; whet eval RUN goes on from there") from error

        return number(value, self.place, row.where, "return one number")


def own_metric(place: str) -> OwnMetric:
    """Opened once; again where the file has changed."""
    path = Path(place.rpartition(":")[0])
    return _opened(place, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=8)
def _opened(place: str, changed: int) -> OwnMetric:
    return OwnMetric(place)
