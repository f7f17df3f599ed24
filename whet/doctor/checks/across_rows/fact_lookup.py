"""The task looks like looking up facts: answers are made of words that no prompt gives, and each fact stands once.

Why: a fact that a model sees once is hardly learned, and what is learned this way makes it invent more elsewhere:
fine-tuning on new facts is slow and raises made-up answers linearly (Gekhman et al. 2024, arXiv 2405.05904). For
knowledge, retrieval beat fine-tuning on every model and topic that Ovadia et al. 2023 (arXiv 2312.05934) tried.

What is measured: an answer states facts where most of its words (three letters or more) do not stand in its prompt, and
at least a tenth of its pairs of neighbouring words are new in this sense and occur in no other answer. Answers of code
or JSON are left out, and of long ones the first 64 words count. It is told from 30% of
at least 100 rows on.

Example:
    {"prompt": "What causes Fabry disease?", "completion": "Mutations in the GLA gene on the X chromosome."}
    {"prompt": "Who described Addison disease?", "completion": "Thomas Addison, at Guy's Hospital in 1855."}

Fix: keep the facts in documents and let the model look them up (retrieval); fine-tune for the form of the answer or the
use of the passages. Compare both on the same test rows before deciding.

Sure: of the share, yes. What it means, no: a translation or a story is new words too. Where the answers can be worked
out from the prompts, nothing is wrong.
"""

from __future__ import annotations

import re
from array import array

import numpy as np

from whet.doctor.analysis.row_texts import hashed, ngrams, row_texts
from whet.doctor.check import RowCheck
from whet.text.words import LONG_WORDS
from whet.types import Finding, Row

NEW_WORDS, ONCE_PAIRS = 0.5, 0.1
FEWEST_ROWS, TOLD = 100, 0.3
MOST_WORDS, MOST_CHARACTERS = 64, 800
MOST_SYMBOLS = 0.12
"""Share of characters that are neither letters, digits nor spaces: prose has some 3%, code and JSON 15% or more."""
BUCKETS = 1 << 23
"""Places for pairs of words; two pairs in one place look repeated, so that the share is rather too small."""
_SYMBOL = re.compile(r"[^\w\s]")


class FactLookup(RowCheck):
    code = "fact-lookup"

    def __init__(self) -> None:
        self.first = np.full(BUCKETS, -1, np.int32)
        """Of each pair of words: the position of the first row with it; its new pairs count where it has the only."""
        self.counts = np.zeros(BUCKETS, bool)
        """The first row has it as a new pair, and no other row has it."""
        self.indices, self.pairs = array("q"), array("i")

    def inspect(self, row: Row) -> tuple[np.ndarray, np.ndarray] | None:
        """The place of each pair of words in the answer, and whether it is new and stands in an answer of facts."""
        if row.rejected is not None or row.desirable is not None or not row.prompt:
            return None
        answer = row_texts(row).answer[:MOST_CHARACTERS]
        said = LONG_WORDS.findall(answer.casefold())[:MOST_WORDS]
        known = set(LONG_WORDS.findall(row_texts(row).prompt.casefold()))
        bucket_P = (ngrams(hashed(["", *said, ""]), 2) >> np.uint64(41)).astype(np.int32)
        new = [word not in known for word in said]

        prose = len(_SYMBOL.findall(answer)) <= MOST_SYMBOLS * len(answer)
        if not (said and prose and sum(new) >= NEW_WORDS * len(said)):
            return bucket_P, np.zeros(len(bucket_P), bool)
        return bucket_P, np.array([True, *new]) & np.array([*new, True])

    def record(self, index: int, where: str, found: tuple[np.ndarray, np.ndarray]) -> None:
        bucket_P, new_P = found
        unseen_P = self.first[bucket_P] < 0
        self.counts[bucket_P[~unseen_P]] = False
        self.first[bucket_P[unseen_P]] = len(self.indices)
        self.counts[bucket_P[unseen_P]] = new_P[unseen_P]
        self.indices.append(index)
        self.pairs.append(len(bucket_P))

    def facts(self) -> np.ndarray:
        """Indices of the rows that state facts of their own."""
        once_R = np.bincount(self.first[self.counts], minlength=len(self.indices))
        states_R = once_R >= np.maximum(1, ONCE_PAIRS * np.array(self.pairs, float))
        return np.array(self.indices, np.int64)[states_R]

    def findings(self) -> list[Finding]:
        rows, facts = len(self.indices), self.facts()
        if rows < FEWEST_ROWS or len(facts) < TOLD * rows:
            return []
        message = (
            f"the answers of {100 * len(facts) / rows:.0f}% of {rows:,} rows state facts that no prompt gives and no "
            "other row repeats: this looks like learning facts by heart, for which retrieval works better"
        )
        fix = "keep the facts in documents and retrieve them; compare both on the same test rows before training"

        return [self.finding("warning", message, facts.tolist(), fix)]
