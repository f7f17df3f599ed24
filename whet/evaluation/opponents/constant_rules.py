"""Constants where no answer is written: rules for pairs and for marks that look at lengths alone, and the frequencies
of tokens for likelihoods. Each is chosen, or counted, on training rows.

Legend: V tokens of the vocabulary, N supervised tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean as mean
from statistics import median

import numpy as np

from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.mark_accuracy import moved_as_marked
from whet.evaluation.opponents.opponent import Opponent
from whet.types import Batch, Row, Segment

NO_ORDER = "a row does not say which answer stood first, so that rule cannot be tried"
COUNTED_TOKENS = 20_000_000
"""Supervised tokens that are counted; more change no frequency that matters."""

PairRule = Callable[[int, int], float]
"""From the lengths of the chosen and the rejected answer: 1 where the rule picks the chosen one, 0.5 for a tie."""
PAIR_RULES: dict[str, PairRule] = {
    "longer": lambda chosen, rejected: 0.5 if chosen == rejected else float(chosen > rejected),
    "shorter": lambda chosen, rejected: 0.5 if chosen == rejected else float(chosen < rejected),
}


def lengths(row: Row) -> tuple[int, int]:
    """Characters of the chosen and of the rejected answer: all that follows what both begin with."""
    chosen, rejected = row.messages[row.shared :], (row.rejected or [])[row.shared :]
    one, other = (sum(len(str(turn.get("content") or "")) for turn in turns) for turns in (chosen, rejected))
    return one, other


def pair_rule(trained: Iterable[Row], rows: Sequence[Row]) -> Opponent:
    """Always the longer or always the shorter answer, whichever is right more often on the training pairs."""
    found = [lengths(row) for row in trained]
    shares = {name: mean([rule(*pair) for pair in found]) for name, rule in PAIR_RULES.items()}
    best = max(shares, key=lambda name: shares[name])
    scores = [PAIR_RULES[best](*lengths(row)) for row in rows]
    detail = f"right in {100 * shares[best]:.1f}% of {len(found):,} training pairs; {NO_ORDER}"
    return Opponent("constant", f"always preferring the {best} answer", list(range(len(rows))), scores, detail=detail)


MARK_RULES: dict[str, Callable[[int, float], float]] = {
    "that every answer is good": lambda length, middle: 1.0,
    "that longer answers are good": lambda length, middle: float(np.sign(length - middle)),
    "that shorter answers are good": lambda length, middle: float(np.sign(middle - length)),
}


def mark_rule(trained: Iterable[Row], rows: Sequence[Row]) -> Opponent:
    """Moving answers by their length alone, whichever way is right more often on the training rows. Good and bad rows
    weigh the same together, so a mark that is said of every answer scores 0.5."""
    seen = [(len(row.reference), Row(row.index, row.where, desirable=row.desirable)) for row in trained]
    middle = median([length for length, _ in seen])

    def score(rule: str, among: Sequence[tuple[int, Row]]) -> list[float]:
        moved = [MARK_RULES[rule](length, middle) for length, _ in among]
        return [one.value for one in moved_as_marked(moved, [row for _, row in among])["tuned"]]

    both = len({row.desirable for _, row in seen}) == 2
    shares = {rule: mean(score(rule, seen)) if both else 0.5 for rule in MARK_RULES}
    best = max(shares, key=lambda rule: shares[rule])
    scores = score(best, [(len(row.reference), row) for row in rows])
    detail = f"{100 * shares[best]:.1f}% on {len(seen):,} training rows; the middle is {middle:g} characters"
    return Opponent("constant", f"saying {best}", list(range(len(rows))), scores, detail=detail)


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
        loss_N = -log_V[batch.target_N.numpy()] * batch.weight_N.numpy()
        for loss, weight, segment in zip(
            loss_N.tolist(), batch.weight_N.tolist(), batch.segment_N.tolist(), strict=True
        ):
            entry = totals.setdefault(batch.rows[segment], [0.0, 0.0])
            entry[0] += loss
            entry[1] += weight

    scores = [metric.likelihood(totals[row][0], max(1, round(totals[row][1]))).value for row in order]
    detail = f"the frequencies of {int((count_V > 0).sum()):,} tokens of the training rows, whatever stands before them"
    return Opponent("constant", "guessing tokens by their frequency", list(range(len(order))), scores, detail=detail)
