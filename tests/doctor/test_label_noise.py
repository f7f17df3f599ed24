"""Wrong labels are found by out-of-fold disagreement: on Banking77, with labels changed on purpose."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from random import Random

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import check_grad

from whet.doctor.analysis.out_of_fold import REGULARISER, logistic_regression, out_of_fold, project
from whet.doctor.analysis.tfidf import tfidf
from whet.doctor.checks.across_rows.label_noise import LabelNoise
from whet.types import Row


def labelled(index: int, text: str, label: str) -> Row:
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": label}]
    return Row(index, f"x.csv:{index + 2}", messages, label=label)


@pytest.fixture(scope="module")
def banking() -> list[tuple[str, str]]:
    folder = Path(os.environ.get("WHET_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder} (set WHET_DATA)")
    with (folder / "banking77" / "train.csv").open(encoding="utf-8") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def flipped(pairs: list[tuple[str, str]], share: float, seed: int) -> tuple[list[Row], set[int]]:
    random, labels = Random(seed), sorted({label for _, label in pairs})
    rows, bad = [], set()
    for index, (text, label) in enumerate(pairs):
        if random.random() < share:
            bad.add(index)
            label = random.choice([other for other in labels if other != label])
        rows.append(labelled(index, text, label))
    return rows, bad


def precision_and_recall(pairs: list[tuple[str, str]], share: float, seed: int) -> tuple[float, float]:
    rows, bad = flipped(pairs, share, seed)
    check = LabelNoise()
    for row in rows:
        check.see(row)
    named = set(check.suspects()[0].tolist())
    return len(named & bad) / len(named), len(named & bad) / len(bad)


def test_changed_labels_of_ten_classes_are_found(banking: list[tuple[str, str]]) -> None:
    ten = sorted({label for _, label in banking})[:10]
    precision, recall = precision_and_recall([pair for pair in banking if pair[1] in ten], 0.05, 0)
    assert precision >= 0.8 and recall >= 0.85, (precision, recall)


@pytest.mark.slow
@pytest.mark.parametrize(("share", "lowest_precision"), [(0.05, 0.78), (0.1, 0.88)])
def test_changed_labels_of_all_classes_are_found(
    banking: list[tuple[str, str]], share: float, lowest_precision: float
) -> None:
    """A few of Banking77's own labels are wrong and count as named in vain here."""
    precision, recall = precision_and_recall(banking, share, 1)
    assert precision >= lowest_precision and recall >= 0.87, (precision, recall)


@pytest.mark.slow
def test_few_of_banking77s_own_labels_are_named(banking: list[tuple[str, str]]) -> None:
    rows = [labelled(index, text, label) for index, (text, label) in enumerate(banking)]
    [finding] = LabelNoise()(rows)
    assert finding.count < 0.015 * len(rows)


def test_rows_without_few_labels_are_left_alone() -> None:
    assert LabelNoise()([labelled(n, f"question {n}", f"answer {n}") for n in range(300)]) == []
    assert LabelNoise()([labelled(n, f"question {n}", "same") for n in range(300)]) == []
    assert LabelNoise()([labelled(n, "?", "ab"[n % 2]) for n in range(300)]) == []
    assert LabelNoise()([]) == []


def test_a_row_does_not_judge_itself() -> None:
    """Each row has a word that no other has: a classifier that had seen it would be sure of every label."""
    texts = [np.array([n, 1000 + n % 7], np.int32) for n in range(400)]
    label_N = np.random.default_rng(0).integers(0, 2, 400)
    probability_NK = out_of_fold(tfidf(texts, fewest=1)[0], label_N)
    right = (probability_NK.argmax(axis=1) == label_N).mean()
    assert 0.4 < right < 0.6 and np.allclose(probability_NK.sum(axis=1), 1, atol=1e-5)


def test_logistic_regression_is_at_its_optimum() -> None:
    """The gradient of the loss, written out anew, is zero there, and its sign by finite differences agrees."""
    rng = np.random.default_rng(0)
    x_ND, label_N = rng.standard_normal((200, 3)).astype(np.float32), rng.integers(0, 3, 200)
    weight_DK = logistic_regression(x_ND, label_N, 3).astype(float)

    def loss(flat: np.ndarray) -> float:
        score_NK = x_ND @ flat.reshape(3, 3)
        own = score_NK[np.arange(200), label_N]
        return float((np.log(np.exp(score_NK).sum(axis=1)) - own).mean() + REGULARISER / 2 * (flat**2).sum())

    def no_gradient(flat: np.ndarray) -> np.ndarray:
        return np.zeros_like(flat)

    assert check_grad(loss, no_gradient, weight_DK.ravel()) < 2e-3
    assert check_grad(loss, no_gradient, np.zeros(9)) > 2e-2


def test_the_reduction_keeps_the_leading_singular_directions() -> None:
    rng = np.random.default_rng(0)
    rank = rng.standard_normal((300, 5)) @ rng.standard_normal((5, 400))
    dense_ND = project(sparse.csr_matrix(rank.astype(np.float32)), rng)[:, :-1]
    unit = rank / np.linalg.norm(rank, axis=1, keepdims=True)
    assert np.allclose(dense_ND @ dense_ND.T, unit @ unit.T, atol=1e-3), "cosines of the whole matrix"


def test_tfidf_is_its_definition() -> None:
    """ln((1 + n) / (1 + df)) + 1, rows of length one: the smoothed form of Manning et al. 2008, section 6.2."""
    rng = np.random.default_rng(0)
    texts = [np.unique(rng.integers(0, 30, rng.integers(1, 12))).astype(np.int32) for _ in range(60)]
    texts.append(np.array([99], np.int32))  # a feature of one text alone is left out
    ours, columns = tfidf(texts)
    has = np.array([[number in text for number in range(30)] for text in texts])
    weight = has * (np.log((1 + 61) / (1 + has.sum(axis=0))) + 1)
    theirs = weight / np.maximum(np.linalg.norm(weight, axis=1, keepdims=True), 1e-9)
    assert columns.tolist() == list(range(30)) and np.allclose(ours.toarray(), theirs, atol=1e-6)
