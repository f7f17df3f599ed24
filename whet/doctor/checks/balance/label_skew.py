"""Some labels have far fewer rows than others, one label is most of them, or all rows have the same one.

Why: a label with few rows is learned last and predicted least; the harm grows with the ratio between the largest and
the smallest class and with their number (Buda et al. 2017, arXiv 1710.05381). A score over all rows hides it.

What is measured: rows of each label in the data. It is told where the largest label has ten times the rows of the
smallest or 70% of all rows, and is a warning where a label has a tenth and fewer than ten rows, or where there is only
one: then the model learns to say it whatever stands before it, and the test rows cannot tell that it did. The share of
the largest label is said: it is what always answering that label scores, and what a model must beat.

Example: 900 rows of `refund`, 95 of `address`, 5 of `complaint`.

Fix: collect rows of the rare labels, or join labels that are treated alike. Read the score of each label, not the
mean. Copies of rare rows help less than new rows.

Sure: of the counts, yes. Where the use of the model is as skewed as the data, and rare labels matter as little as they
occur, nothing is wrong.
"""

from __future__ import annotations

import numpy as np

from whet.doctor.analysis.labels import LabelTally
from whet.doctor.analysis.row_texts import row_texts
from whet.doctor.check import Check
from whet.types import Finding, Row, Severity

RATIO, FEW = 10, 10
MOST = 0.7
"""Share of one label from which on always answering it looks good."""
NAMED = 5


class LabelSkew(Check):
    code = "label-skew"

    def __init__(self) -> None:
        self.labels = LabelTally()

    def see(self, row: Row) -> None:
        self.labels.add(row.index, row_texts(row).label)

    def findings(self) -> list[Finding]:
        if self.labels.one:
            name, rows = self.labels.names[0], self.labels.indices().tolist()
            message = f"all {len(rows):,} rows have the same answer, {name!r}: there is nothing to tell apart"
            return [self.finding("warning", message, rows, "add rows with the other labels")]
        if not self.labels.few:
            return []

        code_L = self.labels.codes()
        count_K = np.bincount(code_L)
        largest = int(count_K.max())
        rare_K = count_K * RATIO <= largest
        names, order = self.labels.names, np.argsort(count_K, kind="stable")
        share = largest / count_K.sum()
        constant = f"always answering {names[order[-1]]!r} is right in {100 * share:.1f}%, so a model must beat that"

        if not rare_K.any():
            if share < MOST:
                return []

            message = f"{names[order[-1]]!r} is the label of {largest:,} of {count_K.sum():,} rows: {constant}"
            fix = "read the recall of each class, not the accuracy; collect rows of the other labels"
            return [self.finding("info", message, [], fix)]

        severity: Severity = "warning" if count_K.min() < FEW else "info"
        rare = [f"{names[label]!r} {count_K[label]:,}" for label in order[:NAMED] if rare_K[label]]
        if rare_K.sum() > len(rare):
            more = f" and {rare_K.sum() - len(rare):,} more"
        else:
            more = ""

        have = "has" if rare_K.sum() == 1 else "have"
        message = (
            f"{rare_K.sum():,} of {len(count_K):,} labels {have} a tenth of the rows of {names[order[-1]]!r} "
            f"({largest:,}) or fewer: {', '.join(rare)}{more}; {constant}"
        )
        rows = self.labels.indices()[rare_K[code_L]].tolist()

        return [self.finding(severity, message, rows, "collect rows of these labels, or join labels treated alike")]
