"""How the base is told what is wanted, in two or three phrasings: labels, keys of the JSON, the form of the result.

Everything in them is read off the answers of training rows, as somebody would who writes a prompt after a look at the
data. Which phrasing is used, validation rows choose (whet/evaluation/opponents/prompted.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from whet.evaluation.opponents.constant import most_frequent_values
from whet.evaluation.opponents.training_answers import TrainingAnswers
from whet.evaluation.prompts import Prompted
from whet.text.normalise import one_line

MOST_LABELS = 120
"""Labels that are named and read; beyond them a prompt is longer than most rows, and examples are given instead."""
LABEL_CHARACTERS = 3000
"""Of all labels together."""
MOST_VALUES = 12
"""Values of a JSON key that are all named; of others two are shown."""
SHOWN = 3
"""Answers that are shown if they cannot all be named."""
SHORT_ANSWER = 60
"""Characters of an answer that is shown whole."""


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One way to say it."""

    system: str | None = None
    template: str | None = None

    @property
    def style(self) -> Prompted:
        return Prompted(self.system, self.template)

    @property
    def words(self) -> str:
        return one_line(self.system or self.template or "")


def labels_of(seen: TrainingAnswers, compared: str) -> list[str]:
    """The labels, the most frequent first; none if the answers are not labels or there are too many."""
    if compared != "accuracy" or not 1 < len(seen.answers) <= MOST_LABELS:
        return []
    names = seen.most_common(MOST_LABELS)
    if sum(map(len, names)) <= LABEL_CHARACTERS:
        return names
    return []


def phrasings(seen: TrainingAnswers, compared: str) -> list[Phrasing]:
    """For the form of answers that the metric `compared` asks for; none if no training row has an answer."""
    if not seen.rows:
        return []
    if labels := labels_of(seen, compared):
        named = ", ".join(labels)
        return [
            Phrasing(system=f"Answer with exactly one of these labels and with nothing else: {named}."),
            Phrasing(template=f"{{question}}\n\nWhich of these labels fits: {named}? Answer with the label alone."),
            Phrasing(template=f"Text: {{question}}\n\nPossible labels: {named}\nLabel:"),
        ]

    words = instruction(seen, compared)
    return [Phrasing(system=words), Phrasing(template=f"{{question}}\n\n{words}")]


def instruction(seen: TrainingAnswers, compared: str) -> str:
    if compared == "json" and seen.keys:
        return json_shape(seen)
    if compared == "final-answer":
        return f"Solve it step by step. The last line must be the result alone, written as:\n{seen.most_common(1)[0]}"
    answers = [answer for answer in seen.most_common(50) if len(answer) <= SHORT_ANSWER and "\n" not in answer]

    long = median(len(row.reference.split()) for row in seen.sample)
    if compared in ("accuracy", "exact-match") or long <= 8 and len(answers) >= SHOWN:
        shown = "; ".join(answers[:SHOWN])
        return f"Answer with the answer alone, as short as possible, without a sentence around it, as in: {shown}"

    return f"Answer in about {max(5, round(long, -1)):.0f} words, directly and without a preface."


def json_shape(seen: TrainingAnswers) -> str:
    """The keys with their values where these are few, and an example of the form."""
    keys = []
    for name, values in seen.keys.items():
        number, start = 2, "such as"
        if len(values) <= MOST_VALUES:
            number, start = MOST_VALUES, "one of"

        shown = [value for value, _ in values.most_common(number)]
        keys.append(f"{json.dumps(name)} ({start} {listed(shown)})")

    form = most_frequent_values(seen)
    return (
        f"Answer with one JSON object and with nothing else, without a code fence. Its keys are {', '.join(keys)}. "
        f"An example of the form: {form}"
    )


def listed(values: Sequence[str]) -> str:
    """`"a", "b" or "c"`, each cut if it is long."""
    short = []
    for value in values:
        if len(value) > SHORT_ANSWER:
            value = value[: SHORT_ANSWER - 3] + "..."
        short.append(value)

    if len(short) == 1:
        return short[0]
    return f"{', '.join(short[:-1])} or {short[-1]}"
