"""The base with three examples in its prompt: the training rows whose questions are nearest to the row's own."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from statistics import fmean as mean

from whet.data.prepare import read_rows
from whet.data.refused import RowRefused
from whet.errors import DataError, count
from whet.evaluation.opponents.budget import writing_cost
from whet.evaluation.opponents.constant import spread
from whet.evaluation.opponents.opponent import Opponent
from whet.evaluation.opponents.setting import Setting
from whet.evaluation.prompts import FewShot, FittedPrompts, nearest_examples, usable_examples
from whet.types import Row

SHOWN = 3
LABEL = "the base with three examples"
MOST_POOL = 20_000
"""Training rows among which the nearest are looked for; of more, so many are drawn by the seed."""
TRIED = 20
"""Test rows whose prompts are made to know what all would cost."""


class FewShotOpponent:
    """Raises DataError without training rows that can be examples, and if none fits.

    `expected` is how many tokens the base is expected to write."""

    def __init__(self, setting: Setting, expected: float) -> None:
        self.setting = setting
        setting.observer.phase("looking for the nearest training rows")
        self.style = FewShot(nearest_examples(usable_examples(list(pool(setting))), SHOWN))
        tried = self._fitted(spread(setting.rows, TRIED))
        if tried is None or not tried.kept:
            raise DataError("not one example fits into the context beside the question and its answer")

        self.row_cost = writing_cost(tried.tokens, expected) / len(tried.tokens)

    def _fitted(self, rows: Sequence[Row]) -> FittedPrompts | None:
        """Prompts of the rows that fit; None if none does."""
        try:
            fitting = [rows[place] for place in self.setting.fits(self.style, rows)]
        except RowRefused as refusal:
            raise DataError(refusal.what) from refusal
        if fitting:
            return self.setting.fitted(self.style, fitting)
        return None

    def opponent(self, places: Sequence[int]) -> Opponent:
        """On test rows, without those in which not even the question fits. Raises DataError if it fits in none."""
        asked = [self.setting.rows[place] for place in places]
        fitting = self.setting.fits(self.style, asked)
        if not fitting:
            raise DataError("not one example fits into the context beside the question and its answer")

        rows = [asked[place] for place in fitting]
        prompts = self.setting.fitted(self.style, rows)
        answers = self.setting.ask(LABEL, prompts)
        cut = sum(not answer.finished for answer in answers)
        texts = [answer.text.strip() for answer in answers]
        detail = f"the nearest training rows; {prompts.kept:.1f} of {SHOWN} examples fitted on average"

        if cut:
            detail += f"; {cut:,} of {len(rows):,} answers were cut at {self.setting.tokens:,} tokens"
        if len(rows) < len(asked):
            detail += f"; {count(len(asked) - len(rows), 'row')} whose question would not fit left out"

        tokens = mean([len(ids) for ids in prompts.tokens])
        kept = [places[place] for place in fitting]
        return Opponent("examples", LABEL, kept, self.setting.values(texts, rows), texts, tokens, detail)


def pool(setting: Setting) -> Iterator[Row]:
    """The training rows, or so many of them as are searched."""
    total = setting.prepared.ledger.summary()["trained"]
    kept = set(random.Random(setting.recipe.seed).sample(range(total), min(total, MOST_POOL)))
    for number, row in enumerate(read_rows(setting.recipe, setting.prepared, ("trained",))):
        if number in kept:
            yield row
