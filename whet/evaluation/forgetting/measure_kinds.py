"""What the tune cost in general ability: general text, distance from the base, and suites of tasks.

Each is a Measure with a paired interval and a budget (whet/evaluation/forgetting/budget.py). Two distances are kept
apart: KL(base || tuned) on the prompts of the task predicts forgetting best of the cheap measures (RL's Razor, arXiv
2509.04259); on general text it says how far the model moved where it should not have moved at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Literal

import numpy as np

from whet.errors import DataError, NonFiniteError
from whet.evaluation.forgetting.budget import Measure, score_budget, text_budget
from whet.stats import resample
from whet.stats.paired import cluster_codes
from whet.types import Difference

Nll = Callable[[list[str]], list[tuple[float, int]]]
"""Texts to (sum of the negative log-likelihood in nats, number of tokens) of each."""
NO_SHARES = "a budget is a share of the rows, and these scores do not lie within 0..1"
KL_BUDGET = "how much a nat costs differs from base to base, so no rule sets a budget"


def general_texts() -> list[str]:
    """The texts of general_texts.jsonl: written for Whet, of many kinds (stories, news, code, recipes, proofs, ...),
    most in English. No prompt that ships with Whet shares a sentence with them."""
    return _texts("general_texts.jsonl")


def choosing_texts() -> list[str]:
    """Others of the same kinds, for choices that must not see the general texts before they are measured on them."""
    return _texts("choosing_texts.jsonl")


def _texts(name: str) -> list[str]:
    lines = resources.files("whet.evaluation.forgetting").joinpath(name).read_text("utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def text_measure(
    base: Nll, tuned: Nll, texts: Sequence[str] | None = None, budget: float | None = None, seed: int = 0
) -> Measure:
    """The rise of the loss on general text, as a share of the base's own: whatever the tokenizer, in nats a byte.

    `texts` is the shipped general text unless given. Raises DataError when there is no text or a model gives another
    number of results, NonFiniteError for a likelihood that is not a number.
    """
    pieces = general_texts()
    if texts is not None:
        pieces = list(texts)

    sizes_U = np.array([len(piece.encode("utf-8")) for piece in pieces], dtype=float)
    if not pieces or not sizes_U.all():
        raise DataError("forgetting needs at least one text, and no empty one", value=len(pieces))

    base_U, tuned_U = _nats(base, pieces, "base"), _nats(tuned, pieces, "tuned")
    before, after = float(base_U.sum() / sizes_U.sum()), float(tuned_U.sum() / sizes_U.sum())
    reach = float(np.abs(np.stack([base_U, tuned_U]) / sizes_U).max())
    low, high = resample.interval(tuned_U - base_U, sizes_U, seed, (-reach, reach))

    if len(pieces) >= resample.FEW_UNITS and np.array_equal(base_U, tuned_U):  # to the last bit: one model, and no luck
        low = high = 0.0
    scale = before or 1.0
    allowed, reason = text_budget(budget)

    return Measure(
        "general-text", "General text", "percent", before, after, (after - before) / scale, low / scale, high / scale,
        len(pieces), allowed, reason, details={"unit": "nats per byte"},
    )  # fmt: skip


def _nats(nll: Nll, pieces: list[str], whose: str) -> np.ndarray:
    results = nll(pieces)
    if len(results) != len(pieces):
        raise DataError(f"the {whose} model gave another number of likelihoods than texts", value=len(results))
    values = np.array([total for total, _ in results], dtype=float)
    if not np.all(np.isfinite(values)):
        raise NonFiniteError(f"the {whose} model's likelihood of a general text is not a number", value=values.tolist())
    return values


def kl_measure(
    where: Literal["task", "general"],
    sums: Sequence[tuple[float, int]],
    budget: float | None,
    seed: int = 0,
    clusters: Sequence[object] | None = None,
) -> Measure:
    """Mean KL(base || tuned) in nats a token, from the `sums` (nats, tokens) of each prompt; prompts, or all that share
    a cluster, are drawn whole.

    Raises DataError without a prompt, NonFiniteError for a distance that is not a number.
    """
    if not sums:
        raise DataError("a distance needs at least one prompt")

    sums_U, sizes_U = np.array(sums, dtype=float).T
    highest = float((sums_U / sizes_U).max())

    if (codes := cluster_codes(clusters, len(sums))) is not None:
        sums_U, sizes_U = np.bincount(codes, sums_U), np.bincount(codes, sizes_U)
    if not np.all(np.isfinite(sums_U)):
        raise NonFiniteError("the KL from base to tuned is not a number", value=sums_U.tolist())

    value = float(sums_U.sum() / sizes_U.sum())
    low, high = resample.interval(sums_U, sizes_U, seed, (0.0, highest))
    what = {"task": "Distance from the base on the task's prompts", "general": "Distance from the base on general text"}

    reason = KL_BUDGET
    if budget is not None:
        reason = "asked for in the recipe"

    return Measure(f"kl-{where}", what[where], "nats", None, None, value, low, high, len(sums), budget, reason)


def score_measure(
    name: str, what: str, sides: tuple[float, float], difference: Difference, budget: float | None, **details: Any
) -> Measure:
    """A suite of tasks: the fall of its score, or its rise where `details` say `higher_is_better: False`.

    `sides` are the scores of base and tuned, `difference` is paired. Scores outside 0..1 have no budget.
    """
    loss, low, high = difference.estimate, difference.low, difference.high
    if details.get("higher_is_better", True):
        loss, low, high = -loss, -high, -low
    details = {"p": difference.p, "test": difference.test, **details}
    unit, allowed, reason = "score", None, NO_SHARES
    if difference.scale is None:
        unit = "points"
        allowed, reason = score_budget(budget, difference.rows)

    return Measure(name, what, unit, *sides, loss, low, high, difference.rows, allowed, reason, details=details)
