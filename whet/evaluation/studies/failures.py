"""Failures into data: which kinds of validation rows go wrong, what training rows are like them, and what to collect.

Only validation rows are looked at. Who collects by the test rows has no test any more.

Of scores that are right or wrong, failures are those below FAILED. Of others, what is good enough nobody has said, so
they are the rows at or below the lower quartile of the scores; rows that score as well as the best one are none.

Failures are put in topics by the words of their prompts (tf-idf, k-means). A training row is like a failure where the
cosine of their prompts is at least LIKE. For each topic:

    contradicted   at least half of the failures have a nearly equal training prompt with another answer, or most rows
                   like them answer differently, where answers are few labels
    missing        there are fewer rows like them than an answer that is right usually has (their median)
    present        there are as many: more of the same will hardly help

A row with several answers counts once for each of them, on both sides.

Shape legend: V answers to validation rows, T answers of training rows, F features.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypedDict, cast

import numpy as np
from scipy import sparse

from whet.doctor.analysis.row_texts import hashed, prompt_text, words
from whet.doctor.analysis.tfidf import features, tfidf
from whet.doctor.analysis.topics import distinctive_words, topics
from whet.errors import are, count
from whet.text.normalise import normalise
from whet.types import Row

FAILED = 0.5
"""Of scores that are 0 (wrong), 1 (right) or 0.5 (neither): one below this is a failure."""
LOWEST = 0.25
"""Share of the rows that are looked at where scores have parts of a point."""
LIKE, EQUAL = 0.35, 0.95
MOST_TRAINED = 20_000
MOST_TOPICS, SHOWN = 8, 3
FEWEST, ROUNDED = 10, 5
"""The smallest number of rows that is worth collecting, and what such numbers are rounded up to."""
FEW_LABELS = 0.2
"""Answers are labels where there are at most this many different ones a row."""

Cause = Literal["contradicted", "missing", "present"]


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """A validation row up to an answer, and what the tuned model said there."""

    row: Row
    answer: str
    score: float


class NearRow(TypedDict):
    """A training row, and how like the failure it is."""

    where: str
    likeness: float
    prompt: str
    answer: str


class FailedRow(TypedDict):
    row: int
    where: str
    prompt: str
    reference: str
    answer: str
    score: float
    nearest: list[NearRow]


class FailureKind(TypedDict):
    """A FailureCluster as JSON, with its sentence."""

    words: list[str]
    failures: int
    alike: int
    cause: Cause
    collect: int
    rows: list[FailedRow]
    sentence: str


class FailureFacts(TypedDict):
    """What `failures_of` gives."""

    validation_rows: int
    answers: int
    failures: int
    rule: str
    """By which an answer is a failure."""
    kinds: list[FailureKind]


class FailureList(FailureFacts):
    """failures.json."""

    run: str
    metric: str
    list: str
    """The file for people."""


@dataclass(frozen=True, slots=True)
class FailureCluster:
    """One kind of failure."""

    words: list[str]
    failures: int
    alike: int
    """Different training rows like them."""
    cause: Cause
    collect: int
    """Rows, about; 0 where rows are to be corrected or nothing is missing."""
    rows: list[FailedRow]

    @property
    def sentence(self) -> str:
        few = f"{count(self.failures, 'failure')}: {', '.join(self.words)}"
        them = "it" if self.failures == 1 else "them"
        alike = f"there {are(self.alike)} {count(self.alike, 'training row')} like {them}"
        what = {
            "contradicted": "with other answers than the expected ones: correct one side or the other",
            "missing": f"fewer than for rows that succeed: collect about {self.collect}",
            "present": "no fewer than for rows that succeed, so more will hardly help: "
            "read the answers, or train longer",
        }

        return f"{few}; {alike}, {what[self.cause]}"


def failures_of(asked: Sequence[ScoredAnswer], trained: Sequence[Row]) -> FailureFacts:
    """From all validation rows and (at most MOST_TRAINED of) the training rows."""
    trained = trained[:MOST_TRAINED]
    failed, rule = is_failure(np.array([one.score for one in asked], float))
    rows = len({one.row.index for one in asked})
    facts: FailureFacts = {
        "validation_rows": rows,
        "answers": len(asked),
        "failures": int(failed.sum()),
        "rule": rule,
        "kinds": [],
    }

    if not failed.any():
        return facts

    texts = [prompt_text(one.row) for one in asked]
    matrix_F = _matrix(texts + [prompt_text(row) for row in trained])
    likeness_VT = sparse.csr_matrix(matrix_F[: len(asked)] @ matrix_F[len(asked) :].T)
    near = likeness_VT.data >= LIKE
    alike_V = np.bincount(likeness_VT.tocoo().row[near], minlength=len(asked))

    if (~failed).any():
        usual = int(np.median(alike_V[~failed]))
    else:
        usual = FEWEST

    number_V = np.full(len(asked), -1)
    kinds = max(1, min(MOST_TOPICS, round(math.sqrt(failed.sum()))))
    number_V[failed] = topics(matrix_F[: len(asked)][failed], kinds)
    labels = len({normalise(expected(row)) for row in trained}) <= FEW_LABELS * len(trained)
    found = []
    for topic in range(int(number_V.max()) + 1):
        found.append(_cluster(topic, asked, texts, number_V, likeness_VT, trained, usual, labels))
    facts["kinds"] = [cast(FailureKind, asdict(kind) | {"sentence": kind.sentence}) for kind in found]

    return facts


def is_failure(score_V: np.ndarray) -> tuple[np.ndarray, str]:
    """Marks the failures, and says by which rule."""
    if np.isin(score_V, (0.0, FAILED, 1.0)).all():
        return score_V < FAILED, f"below {FAILED:g}"
    quartile = float(np.quantile(score_V, LOWEST, method="higher"))
    return (score_V <= quartile) & (score_V < score_V.max()), f"the lowest quarter, up to {quartile:.3g}"


def expected(row: Row) -> str:
    """What the row wants: its answer, or its classes."""
    if isinstance(row.target, list):
        return ", ".join(row.target)
    return row.reference


def _cluster(
    topic: int,
    asked: Sequence[ScoredAnswer],
    texts: Sequence[str],
    number_V: np.ndarray,
    likeness_VT: sparse.csr_matrix,
    trained: Sequence[Row],
    usual: int,
    labels: bool,
) -> FailureCluster:
    members = np.flatnonzero(number_V == topic)
    nearest = {int(member): _nearest(likeness_VT, int(member)) for member in members}
    alike = {trained[place].index for found in nearest.values() for place, likeness in found if likeness >= LIKE}
    against = sum(_contradicted(asked[member].row, found, trained, labels) for member, found in nearest.items())
    missing = max(0, usual - len(alike))

    cause: Cause = "present"
    collect = 0
    if 2 * against >= len(members):
        cause = "contradicted"
    elif missing:
        cause = "missing"
        collect = max(FEWEST, ROUNDED * math.ceil(missing / ROUNDED))

    rows = [_line(asked[member], found[:SHOWN], trained) for member, found in nearest.items()]
    return FailureCluster(distinctive_words(texts, number_V, topic), len(members), len(alike), cause, collect, rows)


def _nearest(likeness_VT: sparse.csr_matrix, row: int) -> list[tuple[int, float]]:
    """(place, cosine) of the training rows with a word in common, the nearest first."""
    begin, end = likeness_VT.indptr[row], likeness_VT.indptr[row + 1]
    found = zip(likeness_VT.indices[begin:end].tolist(), likeness_VT.data[begin:end].tolist(), strict=True)
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def _contradicted(row: Row, nearest: list[tuple[int, float]], trained: Sequence[Row], labels: bool) -> bool:
    right = normalise(expected(row))
    answers = [normalise(expected(trained[place])) for place, likeness in nearest if likeness >= EQUAL]
    if answers:
        return right not in answers
    votes = Counter(normalise(expected(trained[place])) for place, likeness in nearest if likeness >= LIKE)
    return labels and 2 * votes[right] < sum(votes.values())


def _line(one: ScoredAnswer, nearest: list[tuple[int, float]], trained: Sequence[Row]) -> FailedRow:
    return {
        "row": one.row.index,
        "where": one.row.where,
        "prompt": prompt_text(one.row),
        "reference": expected(one.row),
        "answer": one.answer,
        "score": one.score,
        "nearest": [
            {
                "where": trained[place].where,
                "likeness": round(likeness, 3),
                "prompt": prompt_text(trained[place]),
                "answer": expected(trained[place]),
            }
            for place, likeness in nearest
        ],
    }


def _matrix(texts: Sequence[str]) -> sparse.csr_matrix:
    return tfidf([features(hashed(words(text)), pairs=False) for text in texts], fewest=1)[0]
