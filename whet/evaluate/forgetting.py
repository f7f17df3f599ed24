"""What the tune cost in general ability: how much worse it predicts a fixed general text, and how far it moved.

Two numbers that mean different things and are never mixed:
- general_nll_per_byte: negative log-likelihood in nats per UTF-8 byte of general_text.txt (original English prose
  that ships with Whet), which does not depend on the tokenizer. Lower is better.
- kl_base_tuned_per_token: KL(base || tuned) in nats per token on the prompts of the new task, computed by the
  caller; it predicts forgetting (RL's Razor, arXiv 2509.04259).

The question is one of noninferiority: the tune is cleared only when the upper end of the 95% interval of the rise
is below the margin. "Not significantly worse" clears nobody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import numpy as np

from whet.errors import DataError, NonFiniteError
from whet.evaluate import resample

Nll = Callable[[list[str]], list[tuple[float, int]]]
"""Texts to (sum of the negative log-likelihood in nats, number of tokens) of each."""

MARGIN = 0.02
"""Rise that is accepted, as a share of the base's own value: 2%. A convention, fixed before the run."""


def general_texts() -> list[str]:
    """The paragraphs of general_text.txt."""
    text = resources.files("whet.evaluate").joinpath("general_text.txt").read_text("utf-8")
    return [paragraph.strip() for paragraph in text.split("\n\n") if paragraph.strip()]


def measure(
    base: Nll,
    tuned: Nll,
    kl_base_tuned_per_token: float | None = None,
    texts: Sequence[str] | None = None,
    margin: float = MARGIN,
    seed: int = 0,
) -> dict[str, Any]:
    """The key `forgetting` of evaluation.json. `texts` is the shipped general text unless given.

    Raises DataError when there is no text or a model gives another number of results, NonFiniteError for a
    likelihood that is not a number.
    """
    pieces = general_texts() if texts is None else list(texts)
    sizes_U = np.array([len(piece.encode("utf-8")) for piece in pieces], dtype=float)
    if not pieces or not sizes_U.all():
        raise DataError("forgetting needs at least one text, and no empty one", value=len(pieces))
    if kl_base_tuned_per_token is not None and not math.isfinite(kl_base_tuned_per_token):
        raise NonFiniteError("the KL from base to tuned is not a number", value=kl_base_tuned_per_token)
    base_U, tuned_U = nats(base, pieces, "base"), nats(tuned, pieces, "tuned")
    before, after = float(base_U.sum() / sizes_U.sum()), float(tuned_U.sum() / sizes_U.sum())
    reach = float(np.abs(np.stack([base_U, tuned_U]) / sizes_U).max())
    low, high = resample.interval(tuned_U - base_U, sizes_U, seed, (-reach, reach))
    result = {"base": before, "tuned": after, "change": after - before, "low": low, "high": high}
    return {
        "general_nll_per_byte": result,
        "kl_base_tuned_per_token": kl_base_tuned_per_token,
        "margin": margin * before,
        "word": (word := judge(low, high, margin * before)),
        "statement": state(word, result, margin, len(pieces)),
    }


def nats(nll: Nll, pieces: list[str], whose: str) -> np.ndarray:
    results = nll(pieces)
    if len(results) != len(pieces):
        raise DataError(f"the {whose} model gave another number of likelihoods than texts", value=len(results))
    values = np.array([total for total, _ in results], dtype=float)
    if not np.all(np.isfinite(values)):
        raise NonFiniteError(f"the {whose} model's likelihood of a general text is not a number", value=values.tolist())
    return values


def judge(low: float, high: float, margin: float) -> str:
    """kept, lost, or unclear: the whole interval of the rise below the margin, above it, or neither."""
    return "kept" if high < margin else "lost" if low > margin else "unclear"


def state(word: str, nll: dict[str, float], margin: float, pieces: int) -> str:
    change, low, high = (100 * nll[key] / nll["base"] if nll["base"] else 0.0 for key in ("change", "low", "high"))
    numbers = (
        f"the loss on general text changed by {change:+.1f}% (95% interval {low:+.1f}% to {high:+.1f}%, "
        f"{pieces} short texts); the margin is +{100 * margin:g}%"
    )
    opening = {
        "kept": "General English is kept",
        "lost": "General English is lost",
        "unclear": "It is not clear that general English is kept",
    }
    return f"{opening[word]}: {numbers}."
