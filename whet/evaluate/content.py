"""Two figures that are never mixed: what the answers say (content), and whether a program can read them (form).

The content of an answer is what whet/evaluate/extract.py takes out of it, scored by the metric; its form is 1 where the
answer stood in the form that the metric asks for. An answer that the metric accepts as it stands has content 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from whet.evaluate import metric
from whet.evaluate.extract import Extracted, extract, has_content, known_answers
from whet.evaluate.metric import RowScore
from whet.evaluate.stated import same_result
from whet.evaluate.units import signed
from whet.evaluate.verdict import compare, p_text
from whet.reward.text_match import final_answer
from whet.types import Row

__all__ = ["content_of", "content_scores", "figure", "form_scores", "has_content", "known_answers", "state_content"]

CUT_SAID = 0.05
"""From this share of answers cut by the token limit on, the verdict says so."""
TOLD = 0.01
"""A smaller difference between the figures is not worth a sentence."""


def content_of(name: str, answers: Sequence[str], rows: Sequence[Row], known: Collection[str]) -> list[Extracted]:
    """What is taken out of each answer; one row an answer."""
    return [extract(name, answer, row, known) for answer, row in zip(answers, rows, strict=True)]


def content_scores(name: str, answers: Sequence[str], rows: Sequence[Row], known: Collection[str]) -> list[RowScore]:
    """The metric's score of what each answer says, 0 where nothing could be taken out; for results after #### numbers
    are compared as numbers. `details` hold content, in_form and how. Raises InputError where `has_content` is False."""
    scores = []
    for found, row in zip(content_of(name, answers, rows, known), rows, strict=True):
        value = 0.0 if found.content is None else _score(name, found.content, row)
        scores.append(RowScore(value, {"content": found.content, "in_form": found.in_form, "how": found.how}))
    return scores


def form_scores(contents: Sequence[RowScore]) -> list[RowScore]:
    """1 for each answer that was in form, of what `content_scores` gave."""
    return [RowScore(float(score.details["in_form"])) for score in contents]


def _score(name: str, content: str, row: Row) -> float:
    if name == "final-answer":
        expected, given = final_answer(row.reference), final_answer(content)
        return float(expected is not None and given is not None and same_result(expected, given))
    return metric.score(name, content, row).value


def figure(
    base: Sequence[RowScore], tuned: Sequence[RowScore], seed: int, clusters: Sequence[object] | None
) -> dict[str, Any]:
    """One of the two figures as it stands in evaluation.json: one score a row, base and tuned in the same order."""
    values = [[score.value for score in side] for side in (base, tuned)]
    difference, verdict = compare(values[0], values[1], seed, clusters)
    return {
        "base": sum(values[0]) / len(values[0]),
        "tuned": sum(values[1]) / len(values[1]),
        "difference": difference.estimate,
        "difference_interval": [difference.low, difference.high],
        "p": difference.p,
        "word": verdict.word,
    }


def shares(contents: Sequence[RowScore], finished: Sequence[bool]) -> dict[str, float]:
    """For one side: the share of answers in form, with something to take out, and cut by the token limit."""
    return {
        "in_form": sum(score.details["in_form"] for score in contents) / len(contents),
        "extracted": sum(score.details["content"] is not None for score in contents) / len(contents),
        "cut": sum(not end for end in finished) / len(finished),
    }


def state_content(facts: dict[str, Any], tokens: int) -> str:
    """Which of the two improved, as a sentence to follow the verdict's; "" where content and form say nothing new, as
    where all answers of both sides were in form. `tokens` is the limit of an answer."""
    content, form = facts["verdict"].get("content"), facts["verdict"].get("form")
    if content is None or form is None:
        return ""
    cut = _state_cut(facts, tokens)
    rest = facts["difference"]["estimate"] - content["difference"]
    if abs(rest) < TOLD / 2 and abs(form["difference"]) < TOLD:
        return cut
    low, high = (_change(value) for value in content["difference_interval"])
    taken = (
        f"taken out of what stands around them, the base's answers are right in {_percent(content['base'])} and the "
        f"tuned model's in {_percent(content['tuned'])} ({_change(content['difference'])} points, {low} to {high}, "
        f"{p_text(content['p'])}); {_percent(form['base'])} of the base's and {_percent(form['tuned'])} of the tuned "
        "model's were in form"
    )
    if facts["verdict"]["word"] == "better" and content["word"] != "better":
        end = "the content got worse" if content["word"] == "worse" else "no gain in content is shown"
        return f" The gain is form, {end}: {taken}.{cut}"
    if content["word"] == "better" and rest >= TOLD:
        return f" Of this, {_change(rest)} points are form: {taken}.{cut}"
    if content["word"] == "better":
        return f" The gain is content: {taken}.{cut}"
    return f" Content apart from form: {taken}.{cut}"


def _state_cut(facts: dict[str, Any], tokens: int) -> str:
    named = {"base": "the base's", "tuned": "the tuned model's"}
    cut = {side: facts[side]["cut"] for side in named if facts[side]["cut"] >= CUT_SAID}
    if not cut:
        return ""
    told = " and ".join(f"{_percent(share)} of {named[side]}" for side, share in cut.items())
    return f" The limit of {tokens} tokens cut {told} answers (evaluate.max_new_tokens)."


def _change(share: float) -> str:
    return signed(100 * share)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"
