"""Is what is served what was trained? Five numbers decide, and each has its bound.

1. Rendered ids are equal.
2. The tune fraction f, the slope of (served - base) on (tuned - base) in log-probabilities through the origin, is 1:
   near 0 it is the base that answers, near 0.5 or 2 the scale is wrong. A slope is known to a standard error only, and
   is refused where it lies outside its bound by more than two of them.
3. The differences (served - tuned) of log-probabilities are finite and within the form's bound, on average and at most.
4. Every greedy answer that ended in training's own engine ends, and in a trained stop token.
5. Of a form that changes the weights: the score on validation rows stays within its budget (task_score.py).

Pure functions of golden answers and a consumer's readings: nothing here knows a model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from whet.release.consumers.protocol import UNTOLD, Written
from whet.release.forms.protocol import Bound
from whet.release.golden import Golden, GoldenCase
from whet.release.readings import CaseReading, Readings

Test = Literal["ids", "fraction", "difference", "stops", "task"]
WIDE = 2.0
"""Standard errors by which a slope may lie outside its bound."""
TOLD = 0.1
"""Root mean square of (tuned - base), in nats, from which the tune must be seen in what is served."""
FOREIGN = 0.5
"""Largest share of (tuned - base) that may be left beside the line: what is served is neither base nor tuned then."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, before anything is judged. None is what the consumer does not tell."""

    ids_compared: int
    ids_equal: int
    fraction: float | None
    fraction_error: float | None
    """Its standard error."""
    effect: float
    """Root mean square of (tuned - base) in nats: what there is to see of the tune."""
    beside: float | None
    """Root mean square of what is left of (served - base) beside the line."""
    mean_difference: float | None
    largest_difference: float | None
    finite: bool
    answers: int
    """Greedy answers that were written."""
    answers_changed: int
    ended: int
    """Golden answers that ended and whose place was taken by one that ends in a trained stop token, too..."""
    should_end: int
    """...of so many that should."""


@dataclass(frozen=True, slots=True)
class TaskScore:
    """The task on a sample of validation rows."""

    metric: str
    rows: int
    trained: float
    served: float
    difference: float
    low: float
    high: float
    """Of a 95% interval of the paired difference."""
    budget: float
    """What may be lost: the interval must lie above minus this."""

    @property
    def kept(self) -> bool:
        """Where nothing was lost, few rows alone are no reason to refuse."""
        return self.difference >= 0 or self.low >= -self.budget


@dataclass(frozen=True, slots=True)
class Proof:
    consumer: str
    measured: Measured
    bound: Bound
    failed: list[Test]
    """Empty: what is served is what was trained."""
    notes: list[str]
    """What could not be judged, in sentences."""
    task: TaskScore | None = None

    @property
    def passed(self) -> bool:
        return not self.failed


def prove(golden: Golden, readings: Readings, bound: Bound, task: TaskScore | None = None) -> Proof:
    """Judges what a consumer says."""
    if golden.scores:
        found = measure_scores(golden, readings)
    else:
        found = measure(golden, readings)

    judged: dict[Test, bool] = {
        "ids": found.ids_equal == found.ids_compared,
        "fraction": not fraction_is_wrong(found, bound),
        "difference": found.finite and within(found, bound),
        "stops": found.ended == found.should_end,
        "task": task is None or task.kept,
    }
    failed: list[Test] = [name for name, good in judged.items() if not good]

    return Proof(readings.consumer, found, bound, failed, untold(golden, found), task)


def fraction_is_wrong(found: Measured, bound: Bound) -> bool:
    """False where it is right, where the tune is too small to be seen, and of a head, which has no base to lie
    between."""
    if found.fraction is None or found.fraction_error is None or found.beside is None:
        return False
    if found.effect >= TOLD and found.beside > FOREIGN * found.effect:
        return True
    low, high = bound.fraction
    spread = WIDE * found.fraction_error

    return found.fraction + spread < low or found.fraction - spread > high


def within(found: Measured, bound: Bound) -> bool:
    pairs = ((found.mean_difference, bound.mean), (found.largest_difference, bound.largest))
    return all(value is None or limit is None or value <= limit for value, limit in pairs)


def untold(golden: Golden, found: Measured) -> list[str]:
    notes = []
    if not found.ids_compared:
        notes.append("The consumer does not tell the ids that it renders, so they were not compared.")
    if golden.scores:
        return notes

    if found.mean_difference is None and found.finite:
        notes.append("The consumer does not tell log-probabilities: neither tune fraction nor differences are known.")
    elif found.fraction_error is None or found.effect < TOLD:
        size = f"{found.effect:.2g} nats a token"
        notes.append(f"Tuned model and base hardly differ ({size}), so the tune fraction says little.")

    return notes


def measure(golden: Golden, readings: Readings) -> Measured:
    pairs = list(zip(golden.cases, readings.cases, strict=True))
    told = [(case.prompt.ids, read.ids) for case, read in pairs if read.ids is not None]
    base, tuned, served = logprobs_of(pairs)

    finite = all(math.isfinite(value) for value in served)
    if finite:
        line = slope(base, tuned, served)
        gaps = [abs(one - other) for one, other in zip(served, tuned, strict=True)]
    else:
        line = Line(None, None, rms(base, tuned), None)
        gaps = []

    written = [(case, read.written) for case, read in pairs if read.written is not None]
    ending = [(case, one) for case, one in written if case.answer.stop_id is not None]
    return Measured(
        ids_compared=len(told),
        ids_equal=sum(one == other for one, other in told),
        fraction=line.slope,
        fraction_error=line.error,
        effect=line.effect,
        beside=line.beside,
        mean_difference=sum(gaps) / len(gaps) if gaps else None,
        largest_difference=max(gaps, default=None),
        finite=finite,
        answers=len(written),
        answers_changed=sum(one.ids != case.answer.ids for case, one in written),
        ended=sum(ends(case, one, golden.stop_ids) for case, one in ending),
        should_end=len(ending),
    )


def ends(case: GoldenCase, written: Written, stop_ids: Sequence[int]) -> bool:
    """An answer of other words may be longer than the limit; but none goes on behind a trained stop token, or ends in
    another one."""
    if not set(written.ids).isdisjoint(stop_ids):
        return False
    if written.stop_id is None:
        return written.ids[: len(case.answer.ids)] != case.answer.ids
    return written.stop_id in stop_ids or written.stop_id == UNTOLD


def logprobs_of(pairs: Sequence[tuple[GoldenCase, CaseReading]]) -> tuple[list[float], list[float], list[float]]:
    """(base, tuned, served) of every token of all answers and contrasts that the consumer tells."""
    base, tuned, served = [], [], []
    for case, read in pairs:
        for golden, found in ((case.answer, read.answer), (case.contrast, read.contrast)):
            if found is not None:
                base += golden.base
                tuned += golden.tuned
                served += found

    return base, tuned, served


@dataclass(frozen=True, slots=True)
class Line:
    slope: float | None
    error: float | None
    effect: float
    beside: float | None


def slope(base: Sequence[float], tuned: Sequence[float], served: Sequence[float]) -> Line:
    """Least squares through the origin, of (served - base) on (tuned - base)."""
    effect = rms(base, tuned)
    if not effect or len(base) < 2:
        return Line(None, None, effect, None)
    wanted = [one - other for one, other in zip(tuned, base, strict=True)]
    found = [one - other for one, other in zip(served, base, strict=True)]
    squares = sum(one * one for one in wanted)
    fraction = sum(one * other for one, other in zip(wanted, found, strict=True)) / squares
    rest = sum((other - fraction * one) ** 2 for one, other in zip(wanted, found, strict=True))
    error = math.sqrt(rest / (len(base) - 1) / squares)

    return Line(fraction, error, effect, math.sqrt(rest / len(base)))


def rms(one: Sequence[float], other: Sequence[float]) -> float:
    """Root mean square of the difference; 0 of nothing."""
    if one:
        return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) / len(one))
    return 0.0


def measure_scores(golden: Golden, readings: Readings) -> Measured:
    """Of a model with a head: differences in units of the largest golden score, and at least of 1."""
    pairs = list(zip(golden.scores, readings.scores, strict=True))
    told = [(row.ids, read.ids) for row, read in pairs if read.ids is not None]
    size = max([1.0, *(abs(score) for row in golden.scores for score in row.scores)])
    finite = all(math.isfinite(score) for _, read in pairs for score in read.scores)
    shaped = all(len(row.scores) == len(read.scores) for row, read in pairs)
    gaps = [math.inf]

    if shaped:
        gaps = [abs(a - b) / size for row, read in pairs for a, b in zip(row.scores, read.scores, strict=True)]
    return Measured(
        ids_compared=len(told),
        ids_equal=sum(one == other for one, other in told),
        fraction=None,
        fraction_error=None,
        effect=0.0,
        beside=None,
        mean_difference=sum(gaps) / len(gaps) if finite else None,
        largest_difference=max(gaps) if finite else None,
        finite=finite,
        answers=0,
        answers_changed=0,
        ended=0,
        should_end=0,
    )
