"""Labels that a classifier which never saw the row finds nearly impossible.

Why: ten much-used test sets hold 3.4% wrong labels (Northcutt et al. 2021, arXiv 2103.14749). Disagreement out of fold
finds many of them without a second opinion from people: confident learning (Northcutt et al. 2021, arXiv 1911.00068)
ranks rows by the probability of the label they have.

What is measured: words and pairs of words of the input (its answer is one of few labels), reduced to 192 dimensions;
logistic regression in five folds; a label is suspected where its out-of-fold probability is below 1% and another label
is the likelier one. Each fold is fitted to at most 8,000 rows, and labels with fewer than five rows are not judged.

Example:
    {"text": "I lost my card, please block it", "label": "exchange_rate"}

Fix: look at the rows named, the least likely first, and correct or remove them.

Sure: no, it is an opinion. With 5% of Banking77's labels changed at random, 82% of what it names are changed labels,
and it names 91% of those (tests/doctor/test_label_noise.py); labels that people confuse are harder to see. A rare way
to say something looks like a wrong label, and with few rows of each label little is named.
"""

from __future__ import annotations

import numpy as np

from whet.doctor.analysis.labels import LabelTally
from whet.doctor.analysis.out_of_fold import out_of_fold
from whet.doctor.analysis.row_texts import row_texts
from whet.doctor.analysis.tfidf import features, tfidf
from whet.doctor.check import Check
from whet.types import Finding, Row

SUSPECTED = 0.01
FEWEST_ROWS, FEWEST_EACH = 100, 5
MOST_LABELS = 500


class LabelNoise(Check):
    code = "label-noise"

    def __init__(self) -> None:
        self.labels = LabelTally()
        self.inputs: list[np.ndarray] = []
        """Feature numbers of each labelled row: at most 512 of four bytes."""

    def see(self, row: Row) -> None:
        said = row_texts(row)
        self.labels.add(row.index, said.label)
        if said.label is not None:
            self.inputs.append(features(said.prompt_W if row.prompt else said.answer_W))

    def findings(self) -> list[Finding]:
        rows, given, likelier = self.suspects()
        if not len(rows):
            return []
        first = f"{self.where_of(int(rows[0]))} has {given[0]!r}, like rows of {likelier[0]!r}"
        many = len(rows) > 1
        message = f"{len(rows):,} label{'s' if many else ''} look{'' if many else 's'} wrong ({first})"
        return [self.finding("warning", message, rows.tolist(), "look at these rows, and correct or remove them")]

    def suspects(self) -> tuple[np.ndarray, list[str], list[str]]:
        """Row indices, the least likely label first, with that label and the likeliest."""
        none = np.zeros(0, np.int64), [], []
        if not self.labels.few or len(self.labels.names) > MOST_LABELS or len(self.inputs) < FEWEST_ROWS:
            return none

        code_L = self.labels.codes()
        judged = np.flatnonzero(np.bincount(code_L)[code_L] >= FEWEST_EACH)

        label_K, label_N = np.unique(code_L[judged], return_inverse=True)
        if len(label_K) < 2:
            return none

        matrix_NF, _ = tfidf([self.inputs[place] for place in judged])
        if not matrix_NF.shape[1]:  # pyright: ignore[reportOptionalSubscript]
            return none

        probability_NK = out_of_fold(matrix_NF, label_N)
        own_N, best_N = probability_NK[np.arange(len(judged)), label_N], probability_NK.argmax(axis=1)
        suspects = np.flatnonzero((own_N < SUSPECTED) & (best_N != label_N))
        suspects = suspects[np.argsort(own_N[suspects], kind="stable")]
        names = self.labels.names
        given = [names[label_K[label]] for label in label_N[suspects]]

        return self.labels.indices()[judged[suspects]], given, [names[label_K[label]] for label in best_N[suspects]]
