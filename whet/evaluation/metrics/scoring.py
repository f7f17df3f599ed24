"""How one answer is scored against its reference: a number between 0 and 1, and the details behind it.

    json         1 when the answer parses to exactly the reference's object; details: validity, F1 over fields
    accuracy     1 when the answer is the label
    exact-match  1 when the answer is the reference, apart from case, spaces and a final period
    tool-call    1 when the answer makes the reference's calls, whatever their order (tool_calls.py); of a turn that
                 calls nothing, when the answer is the reference, as exact-match has it
    rouge-l      F1 of the longest common subsequence of words (Lin 2004, aclanthology.org/W04-1013)
    chrf         character n-gram F-score (Popovic 2015, aclanthology.org/W15-3049), from sacrebleu
    nll          probability per token of the reference, exp(-nll / tokens); scored by `likelihood`
    preference-accuracy   1 when the chosen answer of a pair is the likelier one (preference_accuracy.py)
    mark-accuracy         1 when a good answer became likelier, or a bad one less likely (mark_accuracy.py)
    file.py:function      what a function of the user's says, higher is better, not always within 0..1
                          (user_function.py)

An answer is scored as it stands: JSON inside a code fence is not JSON for the program that reads it. What it says apart
from its form is a figure of its own (whet/evaluation/content.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from whet.errors import DataError, InputError, NonFiniteError, nearest
from whet.evaluation.facts import SideFacts
from whet.evaluation.metrics.per_class import class_facts, confusion
from whet.evaluation.metrics.rouge import rouge_l
from whet.evaluation.metrics.tool_calls import calls_of, compare_calls, summarise_calls
from whet.evaluation.metrics.turns import turns_of_row
from whet.evaluation.metrics.user_function import own_metric
from whet.recipe.external import is_function
from whet.rewards.json_match import compare_json, parse_object, summarise_json
from whet.stats.paired import clusters_of, mean_interval
from whet.text.normalise import final_answer, normalise
from whet.types import Row

SHORT = 60
"""Characters of a reference that can still be repeated word for word."""


@dataclass(slots=True)
class RowScore:
    value: float
    details: dict[str, Any] = field(default_factory=dict)


def values_of(scores: Sequence[RowScore]) -> list[float]:
    return [score.value for score in scores]


def metric_for(wanted: str, rows: Sequence[Row]) -> tuple[str, str]:
    """(metric, reason): the one that the recipe asks for, or with `auto` what fits the rows. Raises as `choose`."""
    if wanted == "auto":
        return choose(rows)
    return wanted, "asked for in the recipe"


def choose(rows: Sequence[Row]) -> tuple[str, str]:
    """(metric, reason) for the test rows, from all their references alone. Raises DataError without rows."""
    if not rows:
        raise DataError("there are no test rows to choose a metric for", fix="make split.test larger")

    missing = [row.where for row in rows if not row.reference.strip()]
    if missing:
        if len(missing) == len(rows):
            share = "the rows have"
        else:
            share = f"{len(missing)} of {len(rows)} rows have"
        return "nll", f"{share} no reference answer in words (such as {missing[0]}), so probabilities are compared"

    turns: list[Row] = []
    for row in rows:
        turns += turns_of_row(row)
    if calling := sum(bool(calls_of(turn)) for turn in turns):
        return _for_calls(calling, len(turns))

    references = [turn.reference for turn in turns]
    if all(parse_object(reference) is not None for reference in references):
        return "json", "every reference is a JSON object"

    short = [len(reference) <= SHORT and "\n" not in reference.strip() for reference in references]
    distinct = len({normalise(reference) for reference in references})

    if all(final_answer(reference) is not None for reference in references):
        return "final-answer", "every reference ends in a result after ####, so the results are compared"
    if all(row.label is not None for row in rows):
        return "accuracy", f"the rows have labels, {distinct} different ones"
    if all(short) and distinct <= max(2, len(references) / 5):
        return "accuracy", f"{len(references)} short references take only {distinct} different values, as labels do"
    if sum(short) >= 0.9 * len(references):
        return "exact-match", f"{sum(short)} of {len(references)} references are short (at most {SHORT} characters)"
    return (
        "rouge-l",
        f"{len(references) - sum(short)} of {len(references)} references are long, so shared word order is measured",
    )


def _for_calls(calling: int, turns: int) -> tuple[str, str]:
    """Words are no measure of a call, which each base writes in its own way; a likelihood measures both."""
    share = f"{calling} of {turns} answers call tools"
    if 2 * calling < turns:
        return "nll", f"{share} and most are words, so probabilities are compared"

    if calling < turns:
        rest = "; the others must be the reference word for word"
    else:
        rest = ""

    return "tool-call", f"{share}, so names and arguments are compared{rest}"


def score(name: str, answer: str, row: Row) -> RowScore:
    """Scores one answer. Raises InputError for an unknown metric, DataError for a row without a reference."""
    if is_function(name):
        return RowScore(own_metric(name)(answer, row))
    if name not in SCORERS:
        if name == "nll":
            hint = "score it with whet.evaluation.metrics.scoring.likelihood"
        else:
            hint = ""
        raise InputError(f"{name!r} does not score answers{nearest(name, SCORERS)}", fix=hint or known_metrics())
    if not row.reference.strip():
        raise DataError("this row has no reference answer to compare with", where=row.where, fix="use metric: nll")
    return SCORERS[name](answer, row)


def score_all(name: str, answers: Sequence[str], rows: Sequence[Row]) -> list[RowScore]:
    """`score` of each answer, one a row."""
    return [score(name, answer, row) for answer, row in zip(answers, rows, strict=True)]


def likelihood(nll_nats: float, tokens: int) -> RowScore:
    """For the metric nll: the geometric mean probability of a token. Raises NonFiniteError, DataError."""
    if tokens < 1:
        raise DataError("a likelihood needs at least one supervised token", value=tokens)
    if not math.isfinite(nll_nats):
        raise NonFiniteError("the negative log-likelihood of a row is not a number", value=nll_nats)
    return RowScore(min(1.0, math.exp(-nll_nats / tokens)), {"nll": nll_nats, "tokens": tokens})


def aggregate(name: str, scores: Sequence[RowScore], rows: Sequence[Row]) -> SideFacts:
    """score, low, high (95%: Wilson for 0/1, otherwise bootstrap; by groups where rows share one) and rows; with json:
    validity, field_f1, fields; with accuracy: macro_f1, balanced_accuracy, labels, confusion; with final-answer: format
    (share of answers that state one); with nll: nll_per_token. Raises DataError when the lengths differ."""
    if len(scores) != len(rows) or not rows:
        raise DataError("there must be one score a row, and at least one", value=(len(scores), len(rows)))

    values = values_of(scores)
    low, high = mean_interval(values, clusters=clusters_of(rows))
    summary: dict[str, Any] = {"score": sum(values) / len(values), "low": low, "high": high, "rows": len(rows)}
    details = [score.details for score in scores]

    if name == "json":
        summary |= summarise_json(details)
    elif name == "accuracy":
        summary |= summarise_labels(details)
    elif name == "final-answer":
        summary["format"] = sum(row["given"] is not None for row in details) / len(details)
    elif name == "tool-call":
        summary |= summarise_calls(details)
    elif name == "nll":
        nats = sum(row["nll"] for row in details)
        summary["nll_per_token"] = nats / sum(row["tokens"] for row in details)

    return cast(SideFacts, summary)


def score_json(answer: str, row: Row) -> RowScore:
    reference = parse_object(row.reference)
    if reference is None:
        raise DataError("the reference is not a JSON object", where=row.where, value=row.reference)
    value, details = compare_json(reference, answer)
    return RowScore(value, details)


def score_label(answer: str, row: Row) -> RowScore:
    expected, given = normalise(row.label or row.reference), normalise(answer)
    return RowScore(float(expected == given), {"expected": expected, "given": given})


def score_exact(answer: str, row: Row) -> RowScore:
    return RowScore(float(normalise(answer) == normalise(row.reference)))


def score_rouge(answer: str, row: Row) -> RowScore:
    return RowScore(rouge_l(row.reference, answer))


def score_chrf(answer: str, row: Row) -> RowScore:
    try:
        from sacrebleu import sentence_chrf
    except ImportError as error:
        raise InputError("the metric chrf needs the package sacrebleu", fix="pip install sacrebleu") from error
    return RowScore(sentence_chrf(answer, [row.reference]).score / 100)


def score_final(answer: str, row: Row) -> RowScore:
    """The result after the last `####` must be the reference's; the reasoning before it is free."""
    expected, given = final_answer(row.reference), final_answer(answer)
    if expected is None:
        raise DataError("the reference has no final answer after ####", where=row.where, fix="use metric: rouge-l")
    return RowScore(float(expected == given), {"expected": expected, "given": given})


def score_calls(answer: str, row: Row) -> RowScore:
    wanted = calls_of(row)
    value, details = compare_calls(wanted, answer)
    if wanted:
        return RowScore(value, details)
    return RowScore(score_exact(answer, row).value, details)


SCORERS: dict[str, Callable[[str, Row], RowScore]] = {
    "json": score_json,
    "accuracy": score_label,
    "exact-match": score_exact,
    "final-answer": score_final,
    "tool-call": score_calls,
    "rouge-l": score_rouge,
    "chrf": score_chrf,
}
OF_WORDS = SCORERS.keys() - {"tool-call"}
"""They compare texts, and no text of Whet's is the call as a base writes it."""


def known_metrics() -> str:
    return f"use one of: {', '.join(SCORERS)}, nll"


def summarise_labels(details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Over the labels that occur in the references; any other answer counts as a miss, not as a class."""
    wanted = [row["expected"] for row in details]
    given = [row["given"] for row in details]
    facts = class_facts(_one_each(wanted), _one_each(given))
    return {**facts, "confusion": confusion(wanted, given)}


def _one_each(labels: Sequence[str]) -> list[list[str]]:
    """Labels as rows with one class each."""
    return [[label] for label in labels]
