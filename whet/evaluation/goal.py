"""Is the tuned model good enough for what it is for? Each part of a `goal` against the bad end of its interval.

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
from typing import Any, Literal

from whet.data.prepare import Prepared
from whet.errors import DataError, InputError, count, nearest
from whet.evaluation.contest import Contest
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
        scale = None if self.share else 1.0
        bound = "at most" if self.most else "at least"
        return (
            f"{self.what} {format_score(self.value, scale)} (95% interval {format_range(self.low, self.high, scale)}, "
            f"{count(self.rows, 'row')}), {bound} {format_score(self.wanted, scale)} was asked"
        )


def judge_goal(
    goal: Goal | None,
    measured: dict[str, Any],
    lines: Sequence[dict[str, Any]],
    prepared: Prepared,
    seconds: Sequence[float] = (),
) -> dict[str, Any]:
    """The key `goal` of a verdict, None where the recipe asks for nothing. `measured` is a part of evaluation.json,
    `lines` are those of answers.jsonl, `seconds` those of answers that were asked alone."""
    if goal is None:
        return {"goal": None}

    by_index = {row.index: row for row in prepared.test_rows}
    rows = [by_index[line["row"]] for line in lines]
    renderer = prepared.renderer

    if goal.prompt_tokens:
        prompts = [len(renderer.prompt_ids(row.prompt, row.tools)) for row in rows]
    else:
        prompts = []

    scores = [line["tuned_score"] for line in lines]
    name = goal.metric or measured["metric"]["name"]
    return {"goal": measure_goal(goal, measured["tuned"], name, scores, rows, prompts, seconds)}


def answers_timed(contest: Contest) -> list[float]:
    """Seconds of the first TIMED answers, each asked alone, where the recipe's goal bounds them; else none."""
    recipe = contest.recipe
    if recipe.goal is None or recipe.goal.seconds_per_answer is None:
        return []
    rows, seconds = contest.rows, []
    tokens = recipe.evaluate.max_new_tokens or answer_tokens(rows, contest.loaded)

    side = replace(contest.tuned, memory=None)  # an answer that is remembered takes no time
    for prompt in contest.prompts(rows[:TIMED]):
        began = time.perf_counter()
        contest.answers(side, [prompt], tokens)
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
    tuned: dict[str, Any],
    name: str,
    scores: Sequence[float],
    rows: Sequence[Row],
    prompt_tokens: Sequence[int] = (),
    seconds: Sequence[float] = (),
) -> dict[str, Any]:
    """The key `goal` of a verdict. `tuned` holds score, low and high of the run's metric, `scores` those of the `rows`;
    `prompt_tokens` are those of each row's prompt, `seconds` those of answers that were asked alone."""
    parts = []
    if goal.at_least is not None:
        share = 0 <= min(scores) and max(scores) <= 1
        found = (tuned["score"], tuned["low"], tuned["high"])
        parts.append(Part("at_least", f"{name}:", goal.at_least, *found, len(rows), share))

    parts += [_class_part(each, wanted, scores, rows) for each, wanted in goal.class_at_least.items()]
    for key, what, limit, values in (
        ("seconds_per_answer", "seconds for an answer:", goal.seconds_per_answer, seconds),
        ("prompt_tokens", "tokens of a prompt:", goal.prompt_tokens, prompt_tokens),
    ):
        if limit is not None:
            value, (low, high) = sum(values) / len(values), mean_interval(values)
            parts.append(Part(key, what, limit, value, low, high, len(values), share=False, most=True))

    word = _together([part.word for part in parts])
    said = "; ".join(part.statement for part in parts if part.word == word)
    return {
        "word": word,
        "sentence": f"{SAID[word]}: {said}.",
        "parts": [asdict(part) | {"word": part.word, "statement": part.statement} for part in parts],
    }


def _class_part(name: str, wanted: float, scores: Sequence[float], rows: Sequence[Row]) -> Part:
    chosen = [number for number, row in enumerate(rows) if class_of(row) == normalise(name)]
    found, group = [scores[number] for number in chosen], [rows[number] for number in chosen]
    low, high = mean_interval(found, clusters=clusters_of(group))
    what = f"rows of {name} that were found:"
    return Part(f"class_at_least.{name}", what, wanted, sum(found) / len(found), low, high, len(found))


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
    """Before anything is trained: a goal that nothing would measure. Raises InputError, DataError."""
    if not goal.class_at_least:
        return
    if name != "accuracy":
        what = f"a class can be found or not only where rows have one label each, and these are measured by {name}"
        fix = "leave goal.class_at_least out, or set goal.metric: accuracy"
        raise InputError(what, where="goal.class_at_least", value=list(goal.class_at_least), fix=fix)

    there = Counter(class_of(row) for row in rows)
    for each in goal.class_at_least:
        if not there[normalise(each)]:
            what = f"no test row has this class{nearest(normalise(each), there)}"
            fix = "name a class of the data, or hold more rows out: split.test"
            raise DataError(what, where="goal.class_at_least", value=each, fix=fix)


def provable(goal: Goal, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Of each share that is asked for, before anything is trained: `rows` that will speak to it, whether even a perfect
    score on them could show it (`provable`), the least share that would (`least`), and `rows_needed` for a perfect one.

    By Wilson's interval of independent rows; where rows come in clusters fewer count.
    """
    asked: list[tuple[str, float, int]] = []
    if goal.at_least is not None and 0 < goal.at_least < 1:
        asked.append(("at_least", goal.at_least, len(rows)))

    if goal.class_at_least:
        there = Counter(class_of(row) for row in rows)
    else:
        there = Counter()

    classes = goal.class_at_least.items()
    asked += [(f"class_at_least.{name}", wanted, there[normalise(name)]) for name, wanted in classes]
    return [_provable(*one) for one in asked]


def _provable(name: str, wanted: float, rows: int) -> dict[str, Any]:
    low, high = 0, rows + 1  # the least number of right rows whose interval lies above what is asked
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if middle > rows or wilson(middle, rows)[0] >= wanted else (middle + 1, high)

    can = low <= rows and rows > 0
    return {
        "name": name,
        "wanted": wanted,
        "rows": rows,
        "provable": can,
        "least": low / rows if can else None,
        "rows_needed": math.ceil(Z**2 * wanted / (1 - wanted)),
    }


def format_provable(parts: Iterable[dict[str, Any]]) -> list[str]:
    """A sentence for each part, for people."""
    lines = []
    for part in parts:
        goal = f"goal.{part['name']}: {part['wanted']:g}"
        rows = count(part["rows"], "test row")

        if part["provable"]:
            lines.append(f"{goal} can be shown on {rows}, by a score of {format_score(part['least'], None)} or more")
        else:
            needed = f"at least {part['rows_needed']:,} are needed, all right"
            lines.append(f"warning: {goal} cannot be shown on {rows}, whatever the model answers; {needed}")

    return lines
