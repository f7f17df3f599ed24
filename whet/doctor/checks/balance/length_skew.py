"""A few very long answers hold most of what is learned.

Why: the loss is a mean over tokens, so a row weighs by its length; what the longest rows are like is what the model
becomes (Yu et al. 2025, arXiv 2503.14476, on losses by token). They also set the memory and time of a step.

What is measured: the share of all words of answers that the longest 5% hold, from half on. In most sets it is
10 to 35%.

Example: 950 answers of 20 words, and 50 pasted documents of 2,000.

Fix: look at the longest rows first; shorten them, cut them into several, or set `max_tokens` so that they are dropped
and counted.

Sure: of the share, yes. Where the long answers are the task, nothing is wrong.
"""

from __future__ import annotations

from array import array

import numpy as np

from whet.doctor.analysis.row_texts import row_texts
from whet.doctor.check import Check
from whet.types import Finding, Row

LONGEST, TOLD = 0.05, 0.5
FEWEST_ROWS = 40


class LengthSkew(Check):
    code = "length-skew"

    def __init__(self) -> None:
        self.indices, self.words = array("q"), array("q")

    def see(self, row: Row) -> None:
        if not row.prompt:
            return
        self.indices.append(row.index)
        self.words.append(len(row_texts(row).answer_W))

    def findings(self) -> list[Finding]:
        words_R = np.array(self.words, np.int64)
        if len(words_R) < FEWEST_ROWS or not words_R.sum():
            return []

        longest = np.argsort(-words_R, kind="stable")[: max(1, int(LONGEST * len(words_R)))]
        share = words_R[longest].sum() / words_R.sum()
        if share < TOLD:
            return []

        message = (
            f"the longest {len(longest):,} of {len(words_R):,} answers hold {100 * share:.0f}% of all words to learn "
            f"(from {words_R[longest].min():,} words on; by median an answer has {np.median(words_R):g})"
        )
        rows = np.array(self.indices, np.int64)[longest].tolist()
        fix = "look at these rows; shorten or cut them, or set max_tokens"

        return [self.finding("warning", message, rows, fix)]
