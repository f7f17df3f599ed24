"""Scores to probabilities, in numpy; the same in torch belongs to whet/losses."""

from __future__ import annotations

import numpy as np


def sigmoid(score: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-score), of any shape."""
    return 1 / (1 + np.exp(-score))


def softmax(score_RK: np.ndarray) -> np.ndarray:
    """Probabilities of K classes for each of R rows; the largest score is subtracted first, so that none overflows."""
    power_RK = np.exp(score_RK - score_RK.max(-1, keepdims=True))
    return power_RK / power_RK.sum(-1, keepdims=True)
