"""Half of the rows or more are about one topic.

Why: a thousand varied prompts teach more than many alike: with ten times the rows of one kind of question the answers
did not get better, with more kinds they did (Zhou et al. 2023, LIMA, arXiv 2305.11206, section 5). A mean score over
such rows is the score of that topic.

What is measured: 16 clusters of the inputs by their words (k-means over tf-idf), on at most 4,000 rows, chosen by their
hash; long inputs count with their first 2,000 characters. In varied sets the largest topic has 10 to 35% of the rows.

Example: 700 of 1,000 questions are about resetting a password.

Fix: leave out part of the largest topic, or collect rows of the others. The finding names the topics with their shares.

Sure: of the shares, within a few points, as far as words tell topics apart. Where the use of the model is about one
topic too, nothing is wrong.
"""

from __future__ import annotations

import numpy as np

from whet.doctor.analysis.row_texts import row_texts
from whet.doctor.analysis.sample import TextSample
from whet.doctor.analysis.topics import distinctive_words, matrix_of, topics
from whet.doctor.check import Check
from whet.errors import shorten
from whet.types import Finding, Row

TOPICS, TOLD = 16, 0.5
FEWEST_ROWS = 100
NAMED = 4


class TopicSkew(Check):
    code = "topic-skew"

    def __init__(self) -> None:
        self.sample = TextSample()

    def see(self, row: Row) -> None:
        if row.text is None:
            text = row_texts(row).prompt
        else:
            text = row.text
        if text.strip():
            self.sample.add(row.index, text)

    def findings(self) -> list[Finding]:
        sampled = self.sample.texts()
        if len(sampled) < FEWEST_ROWS:
            return []

        texts = [text for _, text in sampled]
        matrix_NF = matrix_of(texts)
        if not matrix_NF.nnz:
            return []

        topic_N = topics(matrix_NF, TOPICS)
        share_K = np.bincount(topic_N) / len(topic_N)
        if share_K[0] < TOLD:
            return []

        named = [
            f"{100 * share_K[topic]:.0f}% {' '.join(distinctive_words(texts, topic_N, topic))}"
            for topic in range(min(NAMED, len(share_K)))
        ]
        example = texts[int(np.flatnonzero(topic_N == 0)[0])]
        message = f"one topic has most rows: {'; '.join(named)} (the first one, for example: {shorten(example)})"
        rows = [index for (index, _), topic in zip(sampled, topic_N.tolist(), strict=True) if topic == 0]

        return [self.finding("warning", message, rows, "leave out part of it, or collect rows of other topics")]
