"""What constants are chosen from: the answers of the training rows, read once, in bounded memory."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from whet.rewards.json_match import parse_object
from whet.text.normalise import final_answer, normalise
from whet.types import Row

MOST_VALUES = 50_000
"""Different answers that are counted; later ones that are new are not, and what is frequent comes early."""
MOST_OF_A_KEY = 1000
"""Different values of one key of JSON answers that are counted."""
SAMPLE = 400
"""Training rows, drawn by the seed, on which candidates are scored."""


@dataclass(slots=True)
class TrainingAnswers:
    """Counts over all training rows, and a sample of them."""

    answers: Counter[str] = field(default_factory=Counter)
    """By what the metric compares: labels and short answers normalised, results alone, JSON with its keys sorted."""
    spelled: dict[str, str] = field(default_factory=dict)
    """How each counted answer was first written."""
    keys: dict[str, Counter[str]] = field(default_factory=dict)
    """Of JSON objects: the values of each key, as JSON."""
    sample: list[Row] = field(default_factory=list)
    rows: int = 0
    """Training rows that have an answer in words."""

    def most_common(self, number: int) -> list[str]:
        """As they are written; equal counts in the order of the training rows."""
        return [self.spelled[key] for key, _ in self.answers.most_common(number)]


def count_answers(
    rows: Iterable[Row],
    compared: str,
    seed: int,
    done: Callable[[int], None] = lambda number: None,
    every: bool = False,
) -> TrainingAnswers:
    """`compared` is the metric. The sample is a reservoir (Vitter 1985, algorithm R), in the order of the rows; with
    `every` rows without an answer are in it too, for scores that need none."""
    seen, rng = TrainingAnswers(), random.Random(seed)
    places: list[int] = []

    fit = 0
    for number, row in enumerate(rows):
        done(number)
        if row.reference.strip():
            _count(seen, row, compared)
            seen.rows += 1
        elif not every:
            continue

        if len(seen.sample) < SAMPLE:
            seen.sample.append(row)
            places.append(fit)
        elif (drawn := rng.randrange(fit + 1)) < SAMPLE:
            seen.sample[drawn], places[drawn] = row, fit
        fit += 1

    seen.sample = [row for _, row in sorted(zip(places, seen.sample, strict=True), key=lambda pair: pair[0])]
    return seen


def _count(seen: TrainingAnswers, row: Row, compared: str) -> None:
    answer = row.reference
    if compared == "accuracy":
        answer = row.label or answer

    key, spelled = normalise(answer), answer
    if compared == "json":
        parsed = parse_object(answer)
        if parsed is not None:
            key = json.dumps(parsed, sort_keys=True)
            _count_keys(seen, parsed)
    elif compared == "final-answer":
        result = final_answer(answer)
        if result is not None:
            key, spelled = result, f"#### {result}"

    if _add(seen.answers, key, MOST_VALUES):
        seen.spelled.setdefault(key, spelled.strip())


def _count_keys(seen: TrainingAnswers, answer: dict[str, Any]) -> None:
    """The values of each key; once there are too many keys, of known keys alone."""
    for name, value in answer.items():
        if len(seen.keys) < MOST_OF_A_KEY:
            seen.keys.setdefault(name, Counter())
        _add(seen.keys.get(name), json.dumps(value, sort_keys=True), MOST_OF_A_KEY)


def _add(counter: Counter[Any] | None, key: str, most: int) -> bool:
    """Whether it was counted."""
    if counter is None or key not in counter and len(counter) >= most:
        return False
    counter[key] += 1
    return True
