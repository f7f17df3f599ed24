"""Is the tuned model good enough for its purpose? Each part of a `goal` against the bad end of its interval.

reached    the whole interval is on the right side of what is asked
missed     the whole interval is on the wrong side
undecided  the rows cannot tell

A goal of several parts is reached when all are, each at 5%: an intersection-union test, which needs no correction
(Berger 1982, doi:10.1080/00401706.1982.10487790).
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypedDict, cast

from whet.data.prepare import Prepared
from whet.errors import DataError, InputError, count, nearest
from whet.evaluation.contest import Contest
from whet.evaluation.facts import AnswerLine, Evaluation, GoalFacts, GoalPartFacts, SideFacts
from whet.evaluation.heldout import answer_tokens
from whet.evaluation.metrics import scoring as metric
from whet.recipe.schema import Recipe
from whet.recipe.sections.goal import Goal
from whet.stats.paired import Z, clusters_of, mean_interval, wilson
from whet.text.normalise import normalise
from whet.text.numbers import format_range, format_score
from whet.types import Row

Word = Literal["reached", "missed", "undecided"]
SAID: dict[Word, str] = {
    "reached": "Goal reached",
    "missed": "Goal missed",
    "undecided": "The rows cannot tell whether the goal is reached",
}
TIMED = 8
"""Answers that are timed one by one."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was asked for. `most` turns the direction: what is asked is an upper bound."""

    name: str
    what: str
    wanted: float
    value: float
    low: float
    high: float
    rows: int
    share: bool = True
    most: bool = False

    @property
    def word(self) -> Word:
        if self.most:
            if self.high <= self.wanted:
                return "reached"
            if self.low > self.wanted:
                return "missed"
            return "undecided"
        if self.low >= self.wanted:
            return "reached"
        if self.high < self.wanted:
            return "missed"
        return "undecided"

    @property
    def statement(self) -> str:
        scale = None
        if not self.share:
            scale = 1.0

        bound = "at least"
        if self.most:
            bound = "at most"

        range_ = f"95% interval {format_range(self.low, self.high, scale)}, {count(self.rows, 'row')}"
        value, wanted = format_score(self.value, scale), format_score(self.wanted, scale)
        return f"{self.what} {value} ({range_}), {bound} {wanted} was asked"

    def facts(self) -> GoalPartFacts:
        return cast(GoalPartFacts, asdict(self) | {"word": self.word, "statement": self.statement})


def judge_goal(
    goal: Goal | None,
    measured: Evaluation,
    lines: Sequence[AnswerLine],
    prepared: Prepared,
    seconds: Sequence[float] = (),
) -> GoalFacts | None:
    """The key `goal` of a verdict, None if the recipe asks for nothing. `seconds` are those of answers that were asked
    alone."""
    if goal is None:
        return None

    by_index = {row.index: row for row in prepared.test_rows}
    rows = [by_index[line["row"]] for line in lines]

    prompts = []
    if goal.prompt_tokens:
        prompts = [len(prepared.renderer.prompt_ids(row.prompt, row.tools)) for row in rows]

    scores = [line["tuned_score"] for line in lines]
    name = goal.metric or measured["metric"]["name"]
    return measure_goal(goal, measured["tuned"], name, scores, rows, prompts, seconds)


def answers_timed(contest: Contest) -> list[float]:
    """Seconds of the first TIMED answers, each asked alone, if the recipe's goal bounds them; else none."""
    recipe = contest.recipe
    if recipe.goal is None or recipe.goal.seconds_per_answer is None:
        return []

    rows, seconds = contest.rows, []
    tokens = recipe.evaluate.max_new_tokens or answer_tokens(rows, contest.loaded)
    model = replace(contest.tuned, memory=None)  # an answer that is remembered takes no time
    for prompt in contest.prompts(rows[:TIMED]):
        began = time.perf_counter()
        contest.answers(model, [prompt], tokens)
        seconds.append(time.perf_counter() - began)

    return seconds


def metric_of_run(recipe: Recipe, prepared: Prepared) -> str:
    """What answers, pairs or marks are measured by, before anything is trained. Raises DataError without test rows."""
    if recipe.evaluate.metric != "auto":
        return recipe.evaluate.metric
    if prepared.shape.paired:
        return "preference-accuracy"
    if prepared.shape.kind == "unpaired":
        return "mark-accuracy"
    return metric.choose(prepared.test_rows)[0]


def measure_goal(
    goal: Goal,
    tuned: SideFacts,
    name: str,
    scores: Sequence[float],
    rows: Sequence[Row],
    prompt_tokens: Sequence[int] = (),
    seconds: Sequence[float] = (),
) -> GoalFacts:
    """The key `goal` of a verdict. `tuned` holds score, low and high of the run's metric, `scores` those of the `rows`;
    `prompt_tokens` are those of each row's prompt, `seconds` those of answers that were asked alone."""
    parts = []
    if goal.at_least is not None:
        share = 0 <= min(scores) and max(scores) <= 1
        estimate = (tuned["score"], tuned["low"], tuned["high"])
        parts.append(Part("at_least", f"{name}:", goal.at_least, *estimate, len(rows), share))

    for label, wanted in goal.class_at_least.items():
        parts.append(_class_part(label, wanted, scores, rows))
    if goal.seconds_per_answer is not None:
        parts.append(_bound("seconds_per_answer", "seconds for an answer:", goal.seconds_per_answer, seconds))
    if goal.prompt_tokens is not None:
        parts.append(_bound("prompt_tokens", "tokens of a prompt:", goal.prompt_tokens, prompt_tokens))

    word = _together([part.word for part in parts])
    deciding = [part.statement for part in parts if part.word == word]
    return {
        "word": word,
        "sentence": f"{SAID[word]}: {'; '.join(deciding)}.",
        "parts": [part.facts() for part in parts],
    }


def _bound(name: str, what: str, most: float, values: Sequence[float]) -> Part:
    """An upper bound of a mean."""
    low, high = mean_interval(values)
    return Part(name, what, most, sum(values) / len(values), low, high, len(values), share=False, most=True)


def _class_part(label: str, wanted: float, scores: Sequence[float], rows: Sequence[Row]) -> Part:
    chosen = [number for number, row in enumerate(rows) if class_of(row) == normalise(label)]
    values = [scores[number] for number in chosen]
    low, high = mean_interval(values, clusters=clusters_of([rows[number] for number in chosen]))
    what = f"rows of {label} that were found:"
    return Part(f"class_at_least.{label}", what, wanted, sum(values) / len(values), low, high, len(values))


def _together(words: Sequence[Word]) -> Word:
    if "missed" in words:
        return "missed"
    if "undecided" in words:
        return "undecided"
    return "reached"


def class_of(row: Row) -> str:
    """The class that a row should get, as metrics compare it."""
    if isinstance(row.target, list):
        return normalise(", ".join(row.target))
    return normalise(row.label or row.reference)


def refuse_unreachable(goal: Goal, name: str, rows: Sequence[Row]) -> None:
    """Refuses, before anything is trained, a goal that nothing would measure. Raises InputError, DataError."""
    if not goal.class_at_least:
        return
    if name != "accuracy":
        what = f"a class can be found or not only where rows have one label each, and these are measured by {name}"
        fix = "leave goal.class_at_least out, or set goal.metric: accuracy"
        raise InputError(what, where="goal.class_at_least", value=list(goal.class_at_least), fix=fix)

    sizes = Counter(class_of(row) for row in rows)
    for label in goal.class_at_least:
        if not sizes[normalise(label)]:
            what = f"no test row has this class{nearest(normalise(label), sizes)}"
            fix = "name a class of the data, or hold more rows out: split.test"
            raise DataError(what, where="goal.class_at_least", value=label, fix=fix)


class ProvableFacts(TypedDict):
    """What the test rows could show of a share that is asked for."""

    name: str
    """The key of the goal."""
    wanted: float
    rows: int
    """Test rows that will speak to it."""
    provable: bool
    """Whether even a perfect score on them could show it."""
    least: float | None
    """The least share that would; None if none does."""
    rows_needed: int
    """For a perfect score to show it."""


def provable(goal: Goal, rows: Sequence[Row]) -> list[ProvableFacts]:
    """Of each share that is asked for, before anything is trained.

    By Wilson's interval of independent rows; where rows come in clusters fewer count.
    """
    parts = []
    if goal.at_least is not None and 0 < goal.at_least < 1:
        parts.append(_provable("at_least", goal.at_least, len(rows)))

    if goal.class_at_least:
        sizes = Counter(class_of(row) for row in rows)
        for label, wanted in goal.class_at_least.items():
            parts.append(_provable(f"class_at_least.{label}", wanted, sizes[normalise(label)]))

    return parts


def _provable(name: str, wanted: float, rows: int) -> ProvableFacts:
    right = _least_right(wanted, rows)
    provable = right <= rows and rows > 0
    least = None
    if provable:
        least = right / rows

    needed = math.ceil(Z**2 * wanted / (1 - wanted))
    return {
        "name": name,
        "wanted": wanted,
        "rows": rows,
        "provable": provable,
        "least": least,
        "rows_needed": needed,
    }


def _least_right(wanted: float, rows: int) -> int:
    """The least number of right rows whose interval lies above what is asked; `rows` + 1 if none does."""
    low, high = 0, rows + 1
    while low < high:
        middle = (low + high) // 2
        if middle > rows or wilson(middle, rows)[0] >= wanted:
            high = middle
        else:
            low = middle + 1

    return low


def format_provable(parts: Iterable[ProvableFacts]) -> list[str]:
    """A sentence for each part, for people."""
    lines = []
    for part in parts:
        goal = f"goal.{part['name']}: {part['wanted']:g}"
        rows = count(part["rows"], "test row")

        if part["least"] is not None:
            lines.append(f"{goal} can be shown on {rows}, by a score of {format_score(part['least'], None)} or more")
        else:
            needed = f"at least {part['rows_needed']:,} are needed, all right"
            lines.append(f"warning: {goal} cannot be shown on {rows}, whatever the model answers; {needed}")

    return lines
