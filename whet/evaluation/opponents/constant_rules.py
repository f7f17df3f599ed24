"""Constants for methods that write no answer: for pairs and for marks rules that look at lengths alone, for likelihoods
the frequencies of tokens. Each is chosen, or counted, on training rows.

Legend: V tokens of the vocabulary, N supervised tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean as mean
from statistics import median

import numpy as np

from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.mark_accuracy import moved_as_marked
from whet.evaluation.metrics.scoring import values_of
from whet.evaluation.opponents.opponent import Opponent
from whet.types import Batch, Message, Row, Segment

NO_ORDER = "a row does not say which answer stood first, so that rule cannot be tried"
COUNTED_TOKENS = 20_000_000
"""Supervised tokens that are counted; more change no frequency that matters."""

PairRule = Callable[[int, int], float]
"""From the lengths of the chosen and the rejected answer: 1 if the rule picks the chosen one, 0.5 for a tie."""


def longer(chosen: int, rejected: int) -> float:
    if chosen == rejected:
        return 0.5
    return float(chosen > rejected)


def shorter(chosen: int, rejected: int) -> float:
    return 1 - longer(chosen, rejected)


PAIR_RULES: dict[str, PairRule] = {"longer": longer, "shorter": shorter}


def lengths(row: Row) -> tuple[int, int]:
    """Characters of the chosen and of the rejected answer: all that follows what both begin with."""
    return _characters(row.messages[row.shared :]), _characters((row.rejected or [])[row.shared :])


def _characters(turns: Sequence[Message]) -> int:
    return sum(len(str(turn.get("content") or "")) for turn in turns)


def pair_rule(trained: Iterable[Row], rows: Sequence[Row]) -> Opponent:
    """Always the longer or always the shorter answer, whichever is right more often on the training pairs."""
    pairs = [lengths(row) for row in trained]
    shares = {}
    for name, rule in PAIR_RULES.items():
        shares[name] = mean([rule(*pair) for pair in pairs])

    best = max(shares, key=lambda name: shares[name])
    scores = [PAIR_RULES[best](*lengths(row)) for row in rows]
    detail = f"right in {100 * shares[best]:.1f}% of {len(pairs):,} training pairs; {NO_ORDER}"
    return Opponent("constant", f"always preferring the {best} answer", list(range(len(rows))), scores, detail=detail)


MarkRule = Callable[[int, float], float]
"""From the length of an answer and the median length: above 0 if the rule calls it good, below 0 if bad."""
MARK_RULES: dict[str, MarkRule] = {
    "that every answer is good": lambda length, middle: 1.0,
    "that longer answers are good": lambda length, middle: float(np.sign(length - middle)),
    "that shorter answers are good": lambda length, middle: float(np.sign(middle - length)),
}


def mark_rule(trained: Iterable[Row], rows: Sequence[Row]) -> Opponent:
    """Marks answers by their length alone, whichever way is right more often on the training rows. Good and bad rows
    weigh the same together, so to call every answer good scores 0.5."""
    known = [_marked_length(row) for row in trained]
    middle = median([length for length, _ in known])

    def score(name: str, among: Sequence[tuple[int, Row]]) -> list[float]:
        moved = [MARK_RULES[name](length, middle) for length, _ in among]
        return values_of(moved_as_marked(moved, [row for _, row in among])["tuned"])

    shares = dict.fromkeys(MARK_RULES, 0.5)
    if len({row.desirable for _, row in known}) == 2:
        shares = {name: mean(score(name, known)) for name in MARK_RULES}

    best = max(shares, key=lambda name: shares[name])
    scores = score(best, [(len(row.reference), row) for row in rows])
    detail = f"{100 * shares[best]:.1f}% on {len(known):,} training rows; the middle is {middle:g} characters"
    return Opponent("constant", f"saying {best}", list(range(len(rows))), scores, detail=detail)


def _marked_length(row: Row) -> tuple[int, Row]:
    """The length of an answer, and its row without the text, which would not fit in memory."""
    return len(row.reference), Row(row.index, row.where, desirable=row.desirable)


def token_counts(segments: Iterable[Segment], vocabulary: int) -> np.ndarray:
    """How often each token is to be learned, by its weight."""
    count_V, counted = np.zeros(vocabulary), 0
    for segment in segments:
        ids, weights = np.array(segment.ids), np.array(segment.weights)
        np.add.at(count_V, ids[weights > 0], weights[weights > 0])
        counted += int((weights > 0).sum())

        if counted > COUNTED_TOKENS:
            break

    return count_V


def unigram(count_V: np.ndarray, batches: Iterable[Batch], order: Sequence[int]) -> Opponent:
    """The frequencies of tokens, whatever stands before them; each token is counted once more than it was seen
    (Laplace), so that none is impossible. `order` are the rows' indices, as the verdict has them."""
    log_V = np.log((count_V + 1) / (count_V.sum() + len(count_V)))
    totals: dict[int, list[float]] = {}
    for batch in batches:
        loss_N = (-log_V[batch.target_N.numpy()] * batch.weight_N.numpy()).tolist()
        for loss, weight, segment in zip(loss_N, batch.weight_N.tolist(), batch.segment_N.tolist(), strict=True):
            entry = totals.setdefault(batch.rows[segment], [0.0, 0.0])
            entry[0] += loss
            entry[1] += weight

    scores = []
    for row in order:
        nats, weight = totals[row]
        scores.append(metric.likelihood(nats, max(1, round(weight))).value)

    detail = f"the frequencies of {int((count_V > 0).sum()):,} tokens of the training rows, whatever stands before them"
    return Opponent("constant", "guessing tokens by their frequency", list(range(len(order))), scores, detail=detail)
