"""Prompts as numbers: how new each is beside the prompts that were trained on, and what a classifier reads of it.

Words and pairs of words are hashed and weighed by how rare they are among the known prompts (tf-idf). `novelty` is the
share of them that no known prompt has: it told prompts of another topic from held-out ones better than the distance to
the nearest known prompt did. The features are the prompt's place along the main directions of the known prompts, its
unknown words by a random signed hash (a new topic has a direction of its own there), and a few plain facts: length,
share of digits, of upper case, of letters outside ASCII, novelty, the distance to the nearest known prompt.

Shape legend: N prompts, K known prompts, F hashed words, D features, W words of a text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from whet.doctor.analysis.row_texts import hashed, words
from whet.doctor.analysis.tfidf import BITS, features

DIRECTIONS, UNKNOWN = 24, 24
ROWS_AT_ONCE = 2048


class PromptFeatures:
    """Fitted on the known prompts."""

    def __init__(self, known: Sequence[str]) -> None:
        ids = [_ids(text) for text in known]
        count_F = np.bincount(np.concatenate([*ids, np.zeros(0, np.int32)]).astype(np.int64), minlength=1 << BITS)
        self._seen_F = count_F > 0
        self._weight_F = (np.log((1 + len(known)) / (1 + count_F)) + 1).astype(np.float32)
        self._known_KF = self._matrix(ids)
        self._axis_FD = _directions(self._known_KF)

    def of(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(novelty N, features N x D), float64."""
        if not texts:
            return np.zeros(0), np.zeros((0, self._axis_FD.shape[1] + UNKNOWN + 6))
        parts = [self._of(texts[first : first + ROWS_AT_ONCE]) for first in range(0, len(texts), ROWS_AT_ONCE)]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _of(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        ids = [_ids(text) for text in texts]
        matrix_NF = self._matrix(ids)
        cosine_NK = sparse.csr_matrix(matrix_NF @ self._known_KF.T)
        distance_N = 1.0 - np.asarray(cosine_NK.max(axis=1).todense(), np.float64).ravel()

        unknown_ND = np.zeros((len(texts), UNKNOWN))
        novelty_N = np.zeros(len(texts))
        for place, own in enumerate(ids):
            new = own[~self._seen_F[own]].astype(np.int64)
            novelty_N[place] = len(new) / max(1, len(own))
            sign = np.where((new >> 8) & 1, 1.0, -1.0)
            np.add.at(unknown_ND[place], new % UNKNOWN, sign)
        plain_ND = np.array([_plain(text) for text in texts])
        told = [np.asarray(matrix_NF @ self._axis_FD), np.clip(unknown_ND, -3, 3), plain_ND]
        return novelty_N, np.column_stack([*told, novelty_N, distance_N])

    def _matrix(self, ids: Sequence[np.ndarray]) -> sparse.csr_matrix:
        """Rows of length one, or zero for a text without words."""
        column = np.concatenate([*ids, np.zeros(0, np.int32)]).astype(np.int64)
        row = np.repeat(np.arange(len(ids)), [len(own) for own in ids])
        value = self._weight_F[column]
        length_N = np.sqrt(np.bincount(row, value**2, minlength=len(ids)))
        scaled = value / np.maximum(length_N, 1e-9)[row]
        return sparse.csr_matrix((scaled.astype(np.float32), (row, column)), (len(ids), 1 << BITS))


def _ids(text: str) -> np.ndarray:
    return features(hashed(words(text)))


def _directions(known_KF: sparse.csr_matrix) -> np.ndarray:
    """F x D: the main directions of the known prompts; none where they are too few."""
    rows = known_KF.shape[0]  # pyright: ignore[reportOptionalSubscript]
    seen = np.unique(known_KF.indices)
    start = np.ones(min(rows, len(seen))) / np.sqrt(rows)  # fixed: the same prompts give the same features
    if min(rows, len(seen)) <= DIRECTIONS:
        return np.zeros((1 << BITS, 0), np.float32)

    _, _, axis_DF = svds(known_KF[:, seen].astype(np.float64), k=DIRECTIONS, v0=start)
    whole_FD = np.zeros((1 << BITS, DIRECTIONS), np.float32)
    whole_FD[seen] = np.asarray(axis_DF).T
    return whole_FD


def _plain(text: str) -> tuple[float, float, float, float]:
    letters = max(1, len(text))
    digits = sum(map(str.isdigit, text))
    upper = sum(map(str.isupper, text))
    other = len(text) - len(text.encode("ascii", "ignore"))
    return float(np.log(letters)), digits / letters, upper / letters, other / letters
