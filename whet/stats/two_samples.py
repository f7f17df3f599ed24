"""How well two samples can be told apart: a linear classifier, and the area under its ROC curve with an interval.

A classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv:1610.06545): of one distribution, no classifier does
better than 0.5 on rows that it has not seen.

Shape legend: N rows, D features, P rows of the one sample, Q of the other.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import rankdata

RIDGE = 1.0
FOLDS = 5
DIGITS = 9
"""Behind them, a product of many rows differs from that of one."""


class LinearClassifier:
    """Ridge regression on labels -1 and 1, both sides weighed alike; features are standardised first."""

    def __init__(self, one_ND: np.ndarray, other_ND: np.ndarray) -> None:
        both_ND = np.concatenate([one_ND, other_ND])
        self._mean_D = both_ND.mean(axis=0)
        self._scale_D = np.maximum(both_ND.std(axis=0), 1e-6)
        given_ND = self._scaled(both_ND)
        label_N = np.repeat([-1.0, 1.0], [len(one_ND), len(other_ND)])
        weight_N = np.repeat([0.5 / len(one_ND), 0.5 / len(other_ND)], [len(one_ND), len(other_ND)])
        square_DD = (given_ND * weight_N[:, None]).T @ given_ND
        penalty = RIDGE * given_ND.shape[1] / len(both_ND)
        aim_D = (given_ND * weight_N[:, None]).T @ label_N
        self._slope_D = np.linalg.solve(square_DD + penalty * np.eye(len(square_DD)), aim_D)

    def state(self) -> dict[str, np.ndarray]:
        """All that scores depend on, each D."""
        return {"mean_D": self._mean_D, "scale_D": self._scale_D, "slope_D": self._slope_D}

    @classmethod
    def restored(cls, state: dict[str, np.ndarray]) -> LinearClassifier:
        found = cls.__new__(cls)
        found._mean_D, found._scale_D, found._slope_D = state["mean_D"], state["scale_D"], state["slope_D"]
        return found

    def score(self, rows_ND: np.ndarray) -> np.ndarray:
        """N, larger for rows like the other sample; equal rows have equal scores, however many are scored at once."""
        return np.round(self._scaled(rows_ND) @ self._slope_D, DIGITS)

    def _scaled(self, rows_ND: np.ndarray) -> np.ndarray:
        return np.clip((rows_ND - self._mean_D) / self._scale_D, -5, 5)


def cross_fitted(one_PD: np.ndarray, other_QD: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(P, Q) scores, each by a classifier that has not seen the row. Both samples need at least FOLDS rows."""
    random = np.random.default_rng(seed)
    fold_P, fold_Q = random.permutation(len(one_PD)) % FOLDS, random.permutation(len(other_QD)) % FOLDS
    score_P, score_Q = np.zeros(len(one_PD)), np.zeros(len(other_QD))
    for fold in range(FOLDS):
        classifier = LinearClassifier(one_PD[fold_P != fold], other_QD[fold_Q != fold])
        score_P[fold_P == fold] = classifier.score(one_PD[fold_P == fold])
        score_Q[fold_Q == fold] = classifier.score(other_QD[fold_Q == fold])
    return score_P, score_Q


def auc(score_P: np.ndarray, score_Q: np.ndarray, z: float = 1.959964) -> tuple[float, float, float]:
    """(area, low, high): the chance that one of Q scores above one of P, ties half, with DeLong's interval (DeLong,
    DeLong and Clarke-Pearson 1988, Biometrics 44). Both samples need two rows."""
    rows, others = len(score_P), len(score_Q)
    rank_N = rankdata(np.concatenate([score_P, score_Q]))
    above_P = 1 - (rank_N[:rows] - rankdata(score_P)) / others
    below_Q = (rank_N[rows:] - rankdata(score_Q)) / rows
    area = float(below_Q.mean())
    error = math.sqrt(above_P.var(ddof=1) / rows + below_Q.var(ddof=1) / others)
    return area, max(0.0, area - z * error), min(1.0, area + z * error)
