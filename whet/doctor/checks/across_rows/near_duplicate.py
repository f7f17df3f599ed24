"""Rows that say nearly the same as an earlier row: 70% or more of their runs of three words are shared.

Why: they are copies to the model, and to a test score they are worse than copies, because no comparison of lines finds
them: in common language datasets most repetition is near, not exact (Lee et al. 2021, arXiv 2107.06499). Rows from a
template that differ in a name or a number teach the template.

What is measured: MinHash over runs of three words of the whole row but the system prompt finds the candidates (Broder
1997), their exact Jaccard similarity decides. The split uses the same, so near-duplicates never stand on two sides.

Example:
    {"prompt": "How do I reset my password on the web site?", "completion": "Open Settings and choose Reset."}
    {"prompt": "How do I reset my password on the site?", "completion": "Open Settings and choose Reset."}

Fix: keep one row of each kind, or vary them. `--fix` leaves out those whose answer is the same too; where the answers
differ, look which is right.

Sure: of the similarity, yes; of pairs at just 70% one in 200 is missed, at 75% one in 3,000. Whether a small difference
matters, no. Rows are joined in chains, so the first and the last of a long chain may differ more.
"""

from __future__ import annotations

from array import array

import numpy as np

from whet.doctor.analysis.near_duplicates import NearDuplicates
from whet.doctor.analysis.row_texts import row_texts
from whet.doctor.check import Check, CheckContext
from whet.errors import count
from whet.types import Finding, Row


class NearDuplicate(Check):
    code = "near-duplicate"

    def __init__(self) -> None:
        self.kin = NearDuplicates()
        self.content, self.answer = array("Q"), array("Q")

    def begin(self, setting: CheckContext) -> None:
        super().begin(setting)
        self.kin = setting.kin

    def see(self, row: Row) -> None:
        self.kin.add(row)
        self.content.append(int.from_bytes(row_texts(row).content))
        self.answer.append(int.from_bytes(row_texts(row).digest))

    def findings(self) -> list[Finding]:
        near, root_R = self._near()
        if not len(near):
            return []
        index_R = self.kin.indices()
        sizes = np.bincount(root_R)
        says, earlier = "says" if len(near) == 1 else "say", len(np.unique(root_R[near]))
        one, other = (self.where_of(int(index_R[row])) for row in (near[0], root_R[near[0]]))
        message = (
            f"{count(len(near), 'row')} {says} nearly the same as {count(earlier, 'earlier one')} "
            f"({one} as {other}; the largest family has {count(int(sizes.max()), 'row')})"
        )
        fix = "keep one row of each kind, or vary them"

        return [self.finding("warning", message, index_R[near].tolist(), fix)]

    def drops(self) -> list[int]:
        """Those that answer as the first of their kind does."""
        near, root_R = self._near()
        answer_R = np.array(self.answer, np.uint64)
        return self.kin.indices()[near[answer_R[near] == answer_R[root_R[near]]]].tolist()

    def _near(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of near-duplicates that are no exact copies, and the first of each row's kind."""
        root_R = self.kin.roots()
        _, first = np.unique(np.array(self.content, np.uint64), return_index=True)
        new_R = np.zeros(len(root_R), bool)
        new_R[first] = True
        return np.flatnonzero(new_R & (root_R != np.arange(len(root_R)))), root_R
