"""From which probability a class is named: chosen on validation rows, where F1 is best, never on test rows.

Legend: R rows, K classes.
"""

from __future__ import annotations

import numpy as np

FEWEST = 5
"""Rows of a class below which its threshold stays 0.5: a best cut through so few is chance."""


def best_thresholds(probability_RK: np.ndarray, classes_RK: np.ndarray) -> np.ndarray:
    """Threshold of each class, shape (K,), that gives the best F1 on these rows; of equals the nearest to 0.5."""
    return np.array([_best(p_R, y_R) for p_R, y_R in zip(probability_RK.T, classes_RK.T > 0.5, strict=True)])


def best_cut(probability_R: np.ndarray, positive_R: np.ndarray) -> float:
    """For two classes: the threshold of the second that gives the best mean of both classes' F1."""
    return _best(probability_R, positive_R > 0.5, both=True)


def _best(probability_R: np.ndarray, positive_R: np.ndarray, both: bool = False) -> float:
    if min(positive_R.sum(), (~positive_R).sum()) < FEWEST:
        return 0.5
    level = np.unique(probability_R)
    cuts = np.concatenate(([0.5], (level[1:] + level[:-1]) / 2))
    scores = [f1(probability_R >= cut, positive_R) for cut in cuts]

    if both:
        scores = [score + f1(probability_R < cut, ~positive_R) for score, cut in zip(scores, cuts, strict=True)]
    best = np.flatnonzero(np.array(scores) >= max(scores) - 1e-12)
    return float(min(cuts[best], key=lambda cut: abs(cut - 0.5)))


def f1(named_R: np.ndarray, there_R: np.ndarray) -> float:
    """2 hits / (named + there); 1 where there is nothing to name and nothing was named."""
    total = int(named_R.sum() + there_R.sum())
    if total:
        return 2 * int((named_R & there_R).sum()) / total
    return 1.0
