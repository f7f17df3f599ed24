"""Where a next version may begin, and which beginning is better on validation rows that no version has learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from whet.data.split.parts import leaks
from whet.data.split.row_traits import Traits
from whet.errors import DataError, InputError, count
from whet.methods import method_of
from whet.observer import Observer
from whet.recipe.schema import Recipe
from whet.retraining.changes import Known, hash_of
from whet.store.run import Run
from whet.training.session import open_session
from whet.types import Row

Start = Literal["base", "warm"]
"""From the base; or from the live version, its weights merged into a base of their own."""
Asked = Literal["auto", "base", "warm"]


@dataclass(slots=True)
class Beginning:
    start: Start
    recipe: Recipe
    run: Run | None = None
    score: float | None = None
    """Mean on the validation rows; None where nothing was measured."""
    metric: str | None = None
    rows: int = 0
    why: str = ""
    """Of what was, or was not, chosen."""
    chosen: bool = False

    def facts(self) -> dict[str, Any]:
        return {
            "start": self.start,
            "run": self.run.name if self.run else None,
            "score": self.score,
            "metric": self.metric,
            "rows": self.rows,
            "chosen": self.chosen,
            "why": self.why,
        }


def no_warm_start(recipe: Recipe) -> str:
    """Why a model of this recipe cannot begin from the live version; empty where it can."""
    if recipe.method.has_head:
        return "a model with a head writes no words, so its weights are no base"
    if recipe.quantise:
        return "the weights of an adapter over 4 bits are not merged into 4 bits again"
    return ""


def untold_rows(rows: Sequence[Row], known: Known, near_duplicates: bool) -> set[int]:
    """Indices of the validation rows that the live version did not learn, nor any row like them: on all others it
    would know the answer, and to begin from it would look better than it is."""
    learned = [row for row in known.learned if hash_of(row) in known.trained]
    traits = Traits.of([*learned, *rows])
    row_R = np.arange(len(learned), len(traits))
    told = leaks(traits, row_R, np.arange(len(learned)), near_duplicates) if learned else row_R[:0]
    shut = {int(place) - len(learned) for place in told}
    return {row.index for place, row in enumerate(rows) if place not in shut and hash_of(row) not in known.trained}


def measure_beginning(beginning: Beginning, known: Known, observer: Observer) -> None:
    """Fills in the score of a trained run."""
    run = beginning.run
    assert run is not None
    with run.reading():
        session = open_session(run.recipe, run, method_of, observer)
        observer.phase(f"asking the validation rows, begun from {NAMED[beginning.start]}")
        try:
            metric, answers = method_of(session.recipe).validation_answers(session, observer)
        except (DataError, InputError) as error:
            beginning.why = f"not measured: {error.what}"
            return

    untold = untold_rows([one.row for one in answers], known, run.recipe.split.near_duplicates)
    scores = [one.score for one in answers if one.row.index in untold]
    beginning.metric, beginning.rows = metric, len(scores)
    if scores:
        beginning.score = sum(scores) / len(scores)
    else:
        beginning.why = "not measured: the live version has learned all validation rows"


NAMED = {"base": "the base", "warm": "the live version"}


def choose(beginnings: Sequence[Beginning]) -> Beginning:
    """The one with the higher score; the base where the scores are equal or one is missing, because weights that are
    merged again and again are rounded each time."""
    best = beginnings[0]
    for beginning in beginnings[1:]:
        if beginning.score is not None and best.score is not None and beginning.score > best.score:
            best = beginning

    best.chosen = True
    if len(beginnings) > 1:
        scored = [one for one in beginnings if one.score is not None]
        told = "; ".join(f"from {NAMED[one.start]} {one.score:.4g} on {count(one.rows, 'row')}" for one in scored)
        best.why = f"by validation rows: {told}" if len(scored) > 1 else f"nothing speaks for another one; {best.why}"
    return best
