"""Held-out rows that are (nearly) the same as rows to be learned.

Why: the score then measures memory, and the verdict is worth nothing. More than half of the answers in the test sets
of three question-answering benchmarks stood in their training parts, and models that scored 60% on those scored 30% on
new questions (Lewis et al. 2020, arXiv 2008.02637).

Whet's own split keeps (nearly) equal rows on one side, so this is about your own test file, and about
`split: {near_duplicates: false}`. Training rows like a row of the test file are left out of training, which is told as
a warning. What is like a held-out row and would be learned is an error: `whet tune` says so, gives its verdict once
more without the test rows concerned, and says yes to no model whose gain rests on them.

Example: train.jsonl and test.jsonl both hold
    {"prompt": "Reset my password", "completion": "Go to Settings."}

Fix: take the rows out of the data (`--fix` does), or bring other test rows; leave split.near_duplicates as it is.

Sure: yes; the exact share of common runs of three words decides, from 70% on.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from whet.doctor.check import HELD_OUT, CheckContext, LeakCheck
from whet.errors import are, count
from whet.types import Finding, Row


class HeldOutLeak(LeakCheck):
    code = "test-leak"

    def __init__(self) -> None:
        self.setting: CheckContext | None = None

    def begin(self, setting: CheckContext) -> None:
        self.setting = setting

    def see(self, row: Row) -> None:
        if self.setting is not None:
            self.setting.kin.add(row)

    def findings(self) -> list[Finding]:
        learned, left_out = self._learned(), self._left_out()
        found = []

        if learned:
            rows = f"{count(len(learned), 'row')} to be learned {are(len(learned))}"
            message = f"{rows} (nearly) the same as held-out rows"
            fix = "remove them, or leave split.near_duplicates true, so that such rows stay on one side"
            found.append(self.finding("error", f"{message}: the score would measure memory", learned, fix))

        if left_out:
            rows = f"{count(len(left_out), 'row')} of the data {are(len(left_out))}"
            message = f"{rows} (nearly) the same as rows of the test file, or of one group or conversation with them"
            fix = "remove them, or bring other test rows"
            found.append(self.finding("warning", f"{message}; training leaves them out", left_out, fix))

        return found

    def drops(self) -> list[int]:
        return sorted(self._learned() + self._left_out())

    def _left_out(self) -> list[int]:
        """What the split has dropped for the sake of the test file."""
        if self.setting is None:
            return []
        reason_of = self.setting.reason_of
        return [index for index in self.setting.kin.indices().tolist() if reason_of(index) == "duplicate-of-test"]

    def leaked_test_rows(self) -> set[int]:
        return set(self._like(("trained",), ("test",)))

    def _learned(self) -> list[int]:
        """Rows to be learned that belong together with a held-out row."""
        return self._like(HELD_OUT, ("trained",))

    def _like(self, others: Collection[str], parts: Collection[str]) -> list[int]:
        """Rows of some parts that belong together with a row of other parts."""
        if self.setting is None:
            return []
        part_of = self.setting.part_of
        index_R, root_R = self.setting.kin.indices(), self.setting.kin.roots()
        shared_R = np.bincount(root_R, minlength=len(root_R))[root_R] > 1
        pairs = list(zip(index_R[shared_R].tolist(), root_R[shared_R].tolist(), strict=True))
        roots = {root for index, root in pairs if part_of(index) in others}

        return [index for index, root in pairs if root in roots and part_of(index) in parts]
