"""Several drawn answers a row: how much of the uncertainty is the choice of rows, and how much the luck of the draw.

A row's score is the mean over its K answers, and the verdict compares these means, so that its interval holds both
kinds of luck. Miller 2024, "Adding error bars to evals" (arXiv 2411.00640), sections 2 and 3: the variance of a mean
over N rows is (variance of the rows + mean variance within a row / K) / N; here for tuned minus base.
Legend: N rows, K answers a row, G clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from whet.errors import count
from whet.evaluation.facts import SamplingFacts, SideFacts
from whet.evaluation.metrics import scoring as metric
from whet.recipe.schema import Evaluate
from whet.stats import resample
from whet.stats.paired import cluster_codes
from whet.text.numbers import format_size, unit
from whet.types import Row

Item = TypeVar("Item")
SMALL_SHARE = 0.1
"""Sampling noise below this share of the variance is not worth more answers."""


def repeat_each(items: Sequence[Item], samples: int) -> list[Item]:
    """Each item K times in a row, as the engine orders its answers."""
    return [item for item in items for _ in range(samples)]


def row_means(scores: Sequence[metric.RowScore], samples: int) -> list[metric.RowScore]:
    """One score a row: the mean over its answers, with the details of the first."""
    if samples == 1:
        return list(scores)
    values_NK = np.array(metric.values_of(scores)).reshape(-1, samples)

    means = []
    for row, value in enumerate(values_NK.mean(1).tolist()):
        means.append(metric.RowScore(value, scores[row * samples].details))
    return means


def summary(name: str, scores: Sequence[metric.RowScore], rows: Sequence[Row], samples: int) -> SideFacts:
    """metric.aggregate of all answers, with the interval of the rows' means: answers to one row are no new rows."""
    means = metric.aggregate(name, row_means(scores, samples), rows)
    if samples == 1:
        return means
    return with_rows_of(metric.aggregate(name, scores, repeat_each(rows, samples)), means)


def with_rows_of(facts: SideFacts, rows: SideFacts) -> SideFacts:
    """The facts of many answers with the score, the interval and the number of the rows that they belong to."""
    facts["score"], facts["low"], facts["high"], facts["rows"] = rows["score"], rows["low"], rows["high"], rows["rows"]
    return facts


def sampling_noise(
    scores: dict[str, list[metric.RowScore]],
    wanted: Evaluate,
    clusters: Sequence[object] | None,
    scale: float | None = None,
) -> SamplingFacts:
    """The key `sampling` of evaluation.json, for `scores` of base and tuned with K = `wanted.samples` answers a row.

    `error` is the standard error of the difference, `row_error` what would be left with endless answers a row,
    `sampling_share` the share of the variance that more answers would remove. `scale` is that of the Difference.
    """
    samples = wanted.samples
    if samples == 1:
        statement = (
            f"One answer a row was drawn at temperature {wanted.temperature:g}. How far the difference depends on the "
            "luck of the draw is not known; evaluate.samples: 4 would tell."
        )
        return {"temperature": wanted.temperature, "samples": samples, "statement": statement}

    values = {}
    for side, side_scores in scores.items():
        values[side] = np.array(metric.values_of(side_scores)).reshape(-1, samples)
    rows, drawn = variance_components(values["tuned"] - values["base"], clusters)
    share = drawn / (rows + drawn) if drawn else 0.0
    error, row_error = math.sqrt(rows + drawn), math.sqrt(rows)

    return {
        "temperature": wanted.temperature,
        "samples": samples,
        "error": error,
        "row_error": row_error,
        "sampling_share": share,
        "statement": state(wanted, error, row_error, share, scale),
    }


def variance_components(change_NK: np.ndarray, clusters: Sequence[object] | None) -> tuple[float, float]:
    """(from the rows, from the draws): the two parts of the variance of the mean difference.

    The whole is that of the rows' means, by clusters where there are any; the draws' part is the mean variance within
    a row over N K, and the rows' part is what is left, at least 0. One row alone has no variance between rows.
    """
    count, samples = change_NK.shape
    drawn = float(change_NK.var(axis=1, ddof=1).mean()) / (count * samples)

    if count == 1:
        return 0.0, drawn

    units = resample.cluster_sums(change_NK.mean(1), cluster_codes(clusters, count))
    if units[0].size > 1:
        whole = resample.standard_error(*units) ** 2
    else:
        whole = drawn

    return max(0.0, whole - drawn), drawn


def state(wanted: Evaluate, error: float, row_error: float, share: float, scale: float | None) -> str:
    whole = format_size(error, scale) + unit(scale)
    left = format_size(row_error, scale) + unit(scale)
    statement = (
        f"{count(wanted.samples, 'answer')} a row at temperature {wanted.temperature:g}: the difference has a "
        f"standard error of {whole}, {100 * share:.0f}% of its variance from the luck of the draw and the rest from "
        "the rows."
    )

    if share <= SMALL_SHARE:
        return f"{statement} More answers a row would hardly narrow it; more rows would."
    return f"{statement} With endless answers a row it would be {left}."
