"""Texts in topics: spherical k-means over tf-idf (Dhillon and Modha 2001, doi:10.1023/A:1007612920971), named by words.

The start is fixed: the text nearest to the mean, then always the text that is least like all centres so far. Equal
texts in equal order give equal topics.

Shape legend: N texts, F features, K topics.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from whet.doctor.analysis.row_texts import hashed, words
from whet.doctor.analysis.tfidf import MOST_WORDS, features, tfidf

ROUNDS = 20
NAMED_BY = 3
SHORTEST = 3
"""Letters of a word that may name a topic."""


def topics(matrix_NF: sparse.csr_matrix, count: int) -> np.ndarray:
    """N topic numbers, from 0, the largest topic first. At most `count` topics; fewer where texts are equal."""
    centre_KF = _start(matrix_NF, count)
    topic_N = np.zeros(matrix_NF.shape[0], np.int64)  # pyright: ignore[reportOptionalSubscript]
    for round_ in range(ROUNDS):
        nearest_N = np.asarray(matrix_NF @ centre_KF.T).argmax(axis=1)
        if round_ and (nearest_N == topic_N).all():
            break

        topic_N = nearest_N
        member_KN = sparse.csr_matrix(
            (np.ones(len(topic_N), np.float32), (topic_N, np.arange(len(topic_N)))), (len(centre_KF), len(topic_N))
        )
        total_KF = sparse.csr_matrix(member_KN @ matrix_NF).toarray()
        length_K1 = np.linalg.norm(total_KF, axis=1, keepdims=True)
        centre_KF = np.divide(total_KF, length_K1, out=centre_KF, where=length_K1 > 0)

    used, size = np.unique(topic_N, return_counts=True)
    place = np.empty(len(centre_KF), np.int64)
    place[used[np.argsort(-size, kind="stable")]] = np.arange(len(used))
    return place[topic_N]


def _start(matrix_NF: sparse.csr_matrix, count: int) -> np.ndarray:
    mean_F = np.asarray(matrix_NF.mean(axis=0)).ravel()
    chosen = [int(np.asarray(matrix_NF @ mean_F).argmax())]
    closest_N = np.asarray((matrix_NF @ matrix_NF[chosen[0]].T).todense()).ravel()
    while len(chosen) < count and closest_N.min() < 0.999:
        chosen.append(int(closest_N.argmin()))
        closest_N = np.maximum(closest_N, np.asarray((matrix_NF @ matrix_NF[chosen[-1]].T).todense()).ravel())
    return np.asarray(matrix_NF[chosen].todense(), np.float32)


def matrix_of(texts: Sequence[str]) -> sparse.csr_matrix:
    """N x F; words alone, so that topics can be named by them."""
    return tfidf([features(hashed(words(text)), pairs=False) for text in texts])[0]


def distinctive_words(texts: Sequence[str], topic_N: np.ndarray, topic: int) -> list[str]:
    """The words that a topic's texts have and the others lack, the most telling first: by p log((p + .01) / (q + .01)),
    with p the share of its texts that have the word, and q that of the others."""
    inside, outside = Counter[str](), Counter[str]()
    for text, own in zip(texts, topic_N == topic, strict=True):
        (inside if own else outside).update(set(words(text)[:MOST_WORDS]))
    members, others = int((topic_N == topic).sum()), max(1, int((topic_N != topic).sum()))

    def telling(word: str) -> tuple[float, str]:
        share, elsewhere = inside[word] / members, outside[word] / others
        return -share * math.log((share + 0.01) / (elsewhere + 0.01)), word

    known = [word for word in inside if len(word) >= SHORTEST and not word.isdigit()]
    return sorted(known, key=telling)[:NAMED_BY]
