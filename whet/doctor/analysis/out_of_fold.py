"""Out-of-fold probabilities of labels: what a simple classifier says of each row when it has not seen that row.

Words and pairs of words by tf-idf, reduced by latent semantic analysis (Deerwester et al. 1990; the singular vectors by
Halko et al. 2011, arXiv 0909.4061), then multinomial logistic regression. Everything follows from a fixed seed.

Shape legend: N texts, F features, D dimensions, K labels.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

from whet.stats.functions import softmax

FOLDS, DIMENSIONS = 5, 192
MOST_FITTED = 8_000
"""Texts that a classifier is fitted to at most, so that the time grows no faster than the data."""
REGULARISER, ITERATIONS = 3e-5, 80
_SEED = 20_250_101


def out_of_fold(matrix_NF: sparse.csr_matrix, label_N: np.ndarray) -> np.ndarray:
    """N x K probabilities, each row's from a classifier that was fitted to other folds. Labels count from 0."""
    rng = np.random.default_rng(_SEED)
    dense_ND = project(matrix_NF, rng)
    fold_N = rng.permutation(len(label_N)) % FOLDS
    labels = int(label_N.max()) + 1

    probability_NK = np.zeros((len(label_N), labels), np.float32)
    for fold in range(FOLDS):
        others = np.flatnonzero(fold_N != fold)
        fitted = rng.permutation(others)[:MOST_FITTED]
        weight_DK = logistic_regression(dense_ND[fitted], label_N[fitted], labels)
        probability_NK[fold_N == fold] = softmax(dense_ND[fold_N == fold] @ weight_DK)

    return probability_NK


def project(matrix_NF: sparse.csr_matrix, rng: np.random.Generator) -> np.ndarray:
    """N x D float32 with rows of length one, and a constant: a projection to the leading singular vectors, from at most
    MOST_FITTED texts. It looks at no label."""
    texts, columns = matrix_NF.shape  # pyright: ignore[reportGeneralTypeIssues]
    sample = matrix_NF[np.sort(rng.permutation(texts)[:MOST_FITTED])]
    size = min(DIMENSIONS, columns, sample.shape[0])

    basis = sample @ rng.standard_normal((columns, size)).astype(np.float32)
    for _ in range(2):
        basis = sample @ (sample.T @ np.linalg.qr(basis)[0])

    towards_DF = np.asarray(sample.T @ np.linalg.qr(basis)[0]).T
    direction_FD = np.linalg.svd(towards_DF, full_matrices=False)[2].T
    dense_ND = np.asarray(matrix_NF @ direction_FD, np.float32)
    length_N1 = np.linalg.norm(dense_ND, axis=1, keepdims=True)
    dense_ND = np.divide(dense_ND, length_N1, out=np.zeros_like(dense_ND), where=length_N1 > 0)

    return np.concatenate([dense_ND, np.ones((texts, 1), np.float32)], axis=1)


def logistic_regression(dense_ND: np.ndarray, label_N: np.ndarray, labels: int) -> np.ndarray:
    """D x K weights: mean cross-entropy plus REGULARISER / 2 times their square, by L-BFGS."""
    rows, size = dense_ND.shape
    place_N = np.arange(rows)

    def loss_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight_DK = flat.reshape(size, labels).astype(np.float32)
        probability_NK = softmax(dense_ND @ weight_DK)
        loss = -np.log(np.maximum(probability_NK[place_N, label_N], 1e-30)).mean()
        probability_NK[place_N, label_N] -= 1
        gradient_DK = dense_ND.T @ probability_NK / rows + REGULARISER * weight_DK
        return float(loss + REGULARISER / 2 * (weight_DK**2).sum()), gradient_DK.ravel().astype(float)

    found = minimize(
        loss_and_gradient, np.zeros(size * labels), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}
    )
    return found.x.reshape(size, labels).astype(np.float32)
