"""Do answers keep their form?

Each answer is looked at for seven faults, each a score of its own. What the answers to the test rows tell, is the
reference: they were written by the model that was judged. Of the rest (a failed request, an answer cut by the token
limit) the first live traces are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from math import log1p
from statistics import median
from typing import Any

from whet.doctor.checks.one_text.refusal import OPENING, PATTERN
from whet.errors import RecipeError
from whet.evaluation.extraction.answer import extract
from whet.monitoring.expected import Expected
from whet.monitoring.trace import Trace
from whet.rewards.json_schema import refuse_unknown_keywords, valid
from whet.types import Row

FORMS = ("accuracy", "json", "final-answer")
"""Metrics whose answers have a form that can be told without a reference."""
FEWEST = 20
"""Answers that are enough for a reference."""
LOOP, COPIES, LOOPED = 8, 4, 24
"""Up to so many words that come so many times in a row, and are so many letters together, are a loop."""
Told = Callable[[str], float]

FAULTS = {
    "failed": "requests fail",
    "cut off": "answers are cut by the token limit",
    "invalid": "answers do not keep the form that was asked for",
    "refuses": "answers refuse",
    "repeats": "answers repeat themselves",
    "empty": "answers are empty",
    "length": "answers have another length",
}
"""Each score, and what its alarm says."""


class FormScores:
    """Of one model."""

    def __init__(self, expected: Expected) -> None:
        enough = len(expected.answers) >= FEWEST
        self.usual = median(_size(answer) for answer in expected.answers) if enough else None
        self._in_form = _form(expected)
        self.references = self._of_answers(expected)

    def of(self, trace: Trace) -> dict[str, float]:
        """Of what the trace tells."""
        told = {"failed": float(trace.error is not None)}
        if trace.error is not None:
            return told
        if trace.finish_reason is not None:
            told["cut off"] = float(trace.finish_reason == "length")
        if trace.answer is None or trace.tool_calls:
            return told | ({"invalid": float(not trace.valid)} if trace.valid is not None else {})

        told |= _of_text(trace.answer)
        if self.usual is not None:
            told["length"] = abs(_size(trace.answer) - self.usual)
        if trace.valid is not None:
            told["invalid"] = float(not trace.valid)
        elif trace.schema is not None:
            kept = _keeps(trace.answer, trace.schema)
            told |= {} if kept is None else {"invalid": float(not kept)}
        elif self._in_form is not None:
            told["invalid"] = 1.0 - self._in_form(trace.answer)
        return told

    def _of_answers(self, expected: Expected) -> dict[str, list[float]]:
        if self.usual is None:
            return {}
        found: dict[str, list[float]] = {}
        for answer in expected.answers:
            told = _of_text(answer) | {"length": abs(_size(answer) - self.usual)}
            if self._in_form is not None:
                told["invalid"] = 1.0 - self._in_form(answer)
            for name, score in told.items():
                found.setdefault(name, []).append(score)
        return found


def _of_text(answer: str) -> dict[str, float]:
    refuses = PATTERN.search(answer[:OPENING].replace("’", "'")) is not None
    return {"refuses": float(refuses), "repeats": float(_loops(answer)), "empty": float(not answer.strip())}


def _size(answer: str) -> float:
    return log1p(len(answer))


def _form(expected: Expected) -> Told | None:
    """1 for an answer in form."""
    metric = expected.metric
    if metric not in FORMS or (metric == "accuracy" and not expected.labels):
        return None
    row, known = Row(0, "", []), tuple(expected.labels)
    return lambda answer: float(extract(metric, answer, row, known).in_form)


def _keeps(answer: str, schema: Mapping[str, Any]) -> bool | None:
    """False for what is no JSON; None for a value of a schema that cannot be followed here."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    try:
        refuse_unknown_keywords(schema, "")
        return valid(value, schema)
    except (RecipeError, re.error, TypeError, AttributeError, ArithmeticError, LookupError, RecursionError):
        return None


def _loops(answer: str) -> bool:
    """Does a run of up to LOOP words come COPIES times without anything between?"""
    words = answer.split()
    for size in range(1, LOOP + 1):
        repeats = 0
        for place in range(size, len(words)):
            repeats = repeats + 1 if words[place] == words[place - size] else 0
            begin = place - repeats - size + 1
            if repeats >= size * (COPIES - 1) and len(" ".join(words[begin : place + 1])) >= LOOPED:
                return True
    return False
