"""Answers that were marked good or bad: did the tune make the good ones likelier and the bad ones less likely?

A row counts 1 if its answer moved the right way, 0 if it moved the wrong way, 0.5 if it did not move; the base has not
moved, so it scores 0.5 on each row. All good rows together weigh as much as all bad ones, so a model that makes
everything likelier scores 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence

from whet.errors import DataError
from whet.evaluation.metrics.scoring import RowScore
from whet.types import Row

MARK_REASON = (
    "the rows are answers marked good or bad, so it is counted how often a good one became likelier and a bad one less "
    "likely"
)


def moved_as_marked(gains: Sequence[float], rows: Sequence[Row]) -> dict[str, list[RowScore]]:
    """Scores of base and tuned, row by row, from the change of each answer's log-probability in nats. A row's score is
    0.5 plus or minus half of its weight, which is above 1 for the rarer mark. Raises DataError if a mark is missing."""
    good, bad = _marked(gains, rows, True), _marked(gains, rows, False)
    for word, marked in (("good", good), ("bad", bad)):
        if not marked:
            raise DataError(f"no test row is marked {word}; both kinds are needed", fix="make split.test larger")

    weight = {True: len(rows) / (2 * len(good)), False: len(rows) / (2 * len(bad))}
    tuned = []
    for gain, row in zip(gains, rows, strict=True):
        right = gain if row.desirable else -gain
        direction = (right > 0) - (right < 0)
        tuned.append(RowScore(0.5 + 0.5 * direction * weight[bool(row.desirable)], {"gain": gain}))

    return {"base": [RowScore(0.5)] * len(rows), "tuned": tuned}


def separation(gains: Sequence[float], rows: Sequence[Row]) -> dict[str, float]:
    """`good_up`, `bad_down`: shares of the rows that moved the right way; `good_gain`, `bad_gain`: mean change in nats;
    `separation`: how often a good answer gained more than a bad one, over all pairs of them (the area under the ROC
    curve, by the Mann-Whitney statistic; 0.5 is chance)."""
    from scipy.stats import mannwhitneyu  # slow to import

    good, bad = _marked(gains, rows, True), _marked(gains, rows, False)
    wins = float(mannwhitneyu(good, bad).statistic)
    up = sum(gain > 0 for gain in good)
    down = sum(gain < 0 for gain in bad)
    return {
        "good_up": up / len(good),
        "bad_down": down / len(bad),
        "good_gain": sum(good) / len(good),
        "bad_gain": sum(bad) / len(bad),
        "separation": wins / (len(good) * len(bad)),
    }


def _marked(gains: Sequence[float], rows: Sequence[Row], desirable: bool) -> list[float]:
    return [gain for gain, row in zip(gains, rows, strict=True) if row.desirable is desirable]
