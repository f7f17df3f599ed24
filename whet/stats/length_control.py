"""How often the better answer is preferred, length set aside.

A model that likes whatever is longer wins many pairs whose better answer is the longer one. As in length-controlled
AlpacaEval (Dubois et al. 2024, arXiv 2404.04475, eq. 2, without the terms of single prompts) the wins are regressed on
the difference of lengths, and what the regression gives at a difference of 0 is the controlled rate:

    P(win) = sigmoid(a + b tanh(difference / its spread))

Legend: P pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from scipy import special

ROUNDS = 50
CONVERGED = 1e-10
STEEPEST = 15.0
"""Coefficients beyond this mean that length, or nothing, tells wins from losses without error."""
FEWEST_PAIRS = 20
Z = float(special.ndtri(0.975))


class LengthControlled(TypedDict):
    rate: float
    low: float
    high: float
    slope: float
    slope_error: float
    pairs: int


def length_controlled(won: Sequence[float], longer: Sequence[float]) -> LengthControlled | None:
    """`won` is 1, 0, or 0.5 for a tie; `longer` how many tokens the better answer has more than the other. `rate` with
    its 95% interval (Wald's, of the intercept), `slope` with its standard error, `pairs`. None with few pairs, equal
    lengths, or where the regression has no solution, as where all pairs are won."""
    won_P, longer_P = np.asarray(won, float), np.asarray(longer, float)
    spread = longer_P.std()
    if won_P.size < FEWEST_PAIRS or spread == 0:
        return None

    design_P2 = np.stack([np.ones_like(longer_P), np.tanh(longer_P / spread)], axis=1)
    fitted = logistic(design_P2, won_P)
    if fitted is None:
        return None

    (level, slope), covariance_22 = fitted
    error, slope_error = np.sqrt(np.diag(covariance_22))
    return {
        "rate": float(special.expit(level)),
        "low": float(special.expit(level - Z * error)),
        "high": float(special.expit(level + Z * error)),
        "slope": float(slope),
        "slope_error": float(slope_error),
        "pairs": int(won_P.size),
    }


def logistic(design_P2: np.ndarray, won_P: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(coefficients, their covariance) of greatest likelihood, by Newton's method; None where there is no maximum."""
    weights_2 = np.zeros(design_P2.shape[1])
    for _ in range(ROUNDS):
        chance_P = special.expit(design_P2 @ weights_2)
        information_22 = design_P2.T @ (design_P2 * (chance_P * (1 - chance_P))[:, None])
        if np.linalg.cond(information_22) > 1 / np.finfo(float).eps:
            return None

        step_2 = np.linalg.solve(information_22, design_P2.T @ (won_P - chance_P))
        weights_2 = weights_2 + step_2
        if np.abs(weights_2).max() > STEEPEST:
            return None
        if np.abs(step_2).max() < CONVERGED:
            return weights_2, np.linalg.inv(information_22)

    return None
