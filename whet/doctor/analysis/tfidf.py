"""Texts as rows of a sparse matrix: hashed words weighed by how rare they are (tf-idf), of length one.

Shape legend: N texts, F features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from whet.doctor.analysis.row_texts import ngrams

BITS = 18
MOST_WORDS = 256
"""Of a long text, the first words count."""


def features(hash_W: np.ndarray, pairs: bool = True) -> np.ndarray:
    """Distinct feature numbers of a text: its words and, with `pairs`, its pairs of neighbours."""
    first_W = hash_W[:MOST_WORDS]
    if pairs:
        both = np.concatenate([first_W, ngrams(first_W, 2)])
    else:
        both = first_W
    return np.unique((both >> np.uint64(64 - BITS)).astype(np.int32))


def tfidf(texts: Sequence[np.ndarray], fewest: int = 2) -> tuple[sparse.csr_matrix, np.ndarray]:
    """N x F float32 with rows of length one (or zero), and the feature number of each column.

    A feature that fewer than `fewest` texts have is left out: nothing can be compared by it.
    """
    sizes = np.array([len(text) for text in texts], np.int64)
    if len(texts):
        flat = np.concatenate(texts)
    else:
        flat = np.zeros(0, np.int32)

    feature_F, column = np.unique(flat, return_inverse=True)
    count_F = np.bincount(column, minlength=len(feature_F))
    row = np.repeat(np.arange(len(texts)), sizes)
    weight_F = np.log((1 + len(texts)) / (1 + count_F)) + 1
    kept = count_F[column] >= fewest
    shape = (len(texts), len(feature_F))
    values = weight_F[column[kept]].astype(np.float32)
    matrix_NF = sparse.csr_matrix((values, (row[kept], column[kept])), shape)[:, count_F >= fewest].tocsr()
    length_N = np.sqrt(np.asarray(matrix_NF.multiply(matrix_NF).sum(axis=1)).ravel())
    scale_N = np.divide(1, length_N, out=np.zeros_like(length_N), where=length_N > 0)
    scaled = sparse.csr_matrix(sparse.diags(scale_N.astype(np.float32)) @ matrix_NF)

    return scaled, feature_F[count_F >= fewest]
