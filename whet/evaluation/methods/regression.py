"""A regression on the sealed rows: how close its numbers come, against one number for every row.

The base is the median of the training rows, the best single number there is for the mean absolute error.
"""

from __future__ import annotations

import numpy as np

from whet.evaluation.contest import HeldOut
from whet.evaluation.facts import SIDES, Measured, add_keys
from whet.evaluation.heldout import lines_of_answers
from whet.evaluation.methods.reward import Finish
from whet.evaluation.metrics.scoring import RowScore
from whet.evaluation.models import EvaluatedModel
from whet.training.learners.classify import targets_of

METRIC = "closeness"


def measure_numbers(number_R: np.ndarray, held_out: HeldOut) -> Finish:
    """A row scores 1 - its absolute error as a share of the range of the training numbers, and at least 0. `number_R`
    are the numbers of the tuned model."""
    rows = held_out.rows
    wanted_R = np.array([float(row.target) for row in rows if isinstance(row.target, float)])
    trained = np.array(targets_of(held_out.prepared, "train"), dtype=float)
    span, median = float(np.ptp(trained)), float(np.median(trained))

    def scores(numbers_R: np.ndarray) -> list[RowScore]:
        closeness_R = np.maximum(0.0, 1 - np.abs(numbers_R - wanted_R) / span)
        return [RowScore(value) for value in closeness_R.tolist()]

    def finish(base: EvaluatedModel) -> Measured:
        numbers = {"base": np.full(len(rows), median), "tuned": number_R}
        by_side = {side: scores(numbers[side]) for side in SIDES}

        reason = f"1 - error / {span:g}, the range of the training numbers; the base: their median {median:g}, always"
        facts = held_out.difference(METRIC, reason, by_side)
        facts["base"]["kind"] = "median"

        texts = {}
        for side in SIDES:
            add_keys(facts[side], regression_errors(numbers[side], wanted_R))
            texts[side] = [f"{number:g}" for number in numbers[side]]
        return facts, lines_of_answers(rows, by_side, texts)

    return finish


def regression_errors(number_R: np.ndarray, wanted_R: np.ndarray) -> dict[str, float]:
    """Mean absolute error, root of the mean squared error, and the share of the variance that is explained."""
    off_R = number_R - wanted_R
    squares = float((off_R**2).sum())
    spread = float(((wanted_R - wanted_R.mean()) ** 2).sum())
    if spread:
        explained = 1 - squares / spread
    else:
        explained = 0.0

    return {"mae": float(np.abs(off_R).mean()), "rmse": float(np.sqrt((off_R**2).mean())), "r_squared": explained}
