"""The best answer that reads nothing: the same for every row, chosen on training rows alone.

What a metric gives it is what a model gets for having learned nothing but the shape of the answers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean as mean

import numpy as np

from whet.evaluation.metrics.scoring import values_of
from whet.evaluation.opponents.opponent import Opponent, Score
from whet.evaluation.opponents.training_answers import TrainingAnswers
from whet.text.normalise import one_line
from whet.types import Row

COUNTED = {"accuracy", "exact-match", "final-answer"}
"""With these metrics the most frequent answer of the training rows is the best constant there."""
FREQUENT = 5
"""Most frequent answers that are tried if counting alone does not decide."""
SHORTLIST = 8
"""Answers nearest to all others by their words, among which the metric itself finds the medoid."""
SCORED = 100
"""Training rows on which candidates are scored."""
SHORT = ("", "yes", "no", "0", "1", "{}", "I do not know.")
"""Answers that a careless reward may like."""
TOLD = 40
"""Characters of a constant answer that its label shows."""


@dataclass(frozen=True, slots=True)
class Constant:
    answer: str
    how: str
    """How it was chosen, in words."""


def choose(seen: TrainingAnswers, compared: str, score: Score, own: bool = False) -> Constant:
    """The best constant for a metric. `own`: the score is not that of `compared` but a reward or a function; then
    counting does not decide, and short answers that no training row has are tried, too."""
    if compared in COUNTED and seen.rows and not own:
        best, times = seen.answers.most_common(1)[0]
        share = f"{100 * times / seen.rows:.1f}% of {seen.rows:,} training rows"
        return Constant(seen.spelled[best], f"the most frequent answer, of {share}")

    candidates = dict.fromkeys(reversed(seen.most_common(FREQUENT)), "a frequent answer")
    if compared == "json" and seen.keys:
        candidates.setdefault(most_frequent_values(seen), "the most frequent value of each key")

    if compared != "json" and len(seen.answers) > FREQUENT:
        candidates |= dict.fromkeys(shortlist([row.reference for row in seen.sample]), "a medoid")
    if own:
        candidates |= {answer: "a short answer" for answer in SHORT if answer not in candidates}

    rows = spread(seen.sample, SCORED)
    values = {}
    for answer in candidates:
        values[answer] = mean(values_of(score([answer] * len(rows), rows)))
    answer = max(candidates, key=lambda each: (values[each], seen.answers.get(each, 0)))
    how = f"{candidates[answer]}, the best of {len(candidates)} on {len(rows)} training rows"

    return Constant(answer, how)


def most_frequent_values(seen: TrainingAnswers) -> str:
    """A JSON object of the most frequent value of each key that most of the objects have."""
    chosen = {}
    for name, values in seen.keys.items():
        if values.total() > seen.rows / 2:
            chosen[name] = json.loads(values.most_common(1)[0][0])
    return json.dumps(chosen, ensure_ascii=False)


def shortlist(answers: Sequence[str]) -> list[str]:
    """The answers whose words overlap most with those of all others: F1 over bags of words, on average.

    A word counts once an answer, so that the means are sums over a table of words. Cheap, where the metric is not.
    """
    bags = [Counter(answer.lower().split()).keys() for answer in answers]
    words: set[str] = set()
    for bag in bags:
        words.update(bag)
    place = {word: number for number, word in enumerate(sorted(words))}

    there_AW = np.zeros((len(bags), len(place)), dtype=np.float32)
    for number, bag in enumerate(bags):
        there_AW[number, [place[word] for word in bag]] = 1
    size_A = there_AW.sum(1)
    f1_AA = 2 * (there_AW @ there_AW.T) / np.maximum(1, size_A[:, None] + size_A[None, :])
    nearest: list[int] = np.argsort(-f1_AA.mean(1), kind="stable")[:SHORTLIST].tolist()

    return list(dict.fromkeys(answers[number].strip() for number in nearest))


def spread(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many, evenly over all."""
    if len(rows) <= most:
        return list(rows)
    return [rows[number] for number in np.linspace(0, len(rows) - 1, most).astype(int).tolist()]


def constant(chosen: Constant, rows: Sequence[Row], score: Score) -> Opponent:
    """The constant on the test rows."""
    answers = [chosen.answer] * len(rows)
    scores = values_of(score(answers, rows))
    return Opponent("constant", label(chosen.answer), list(range(len(rows))), scores, answers, None, chosen.how)


def label(answer: str) -> str:
    """`always answering "ham"`, cut where it is long."""
    words = one_line(answer)
    if not words:
        return "always answering nothing"

    short = words
    if len(words) > TOLD:
        short = words[: TOLD - 3].rstrip() + "..."

    if words.startswith("{"):
        return f"always answering {short}"
    return f'always answering "{short}"'
