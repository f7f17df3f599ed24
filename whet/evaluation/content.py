"""Two figures that are never mixed: what the answers say (content), and whether a program can read them (form).

The content of an answer is what whet/evaluation/extraction/answer.py takes out of it, scored by the metric; its form is
1 where the answer stood in the form that the metric asks for. An answer that the metric accepts as it stands has
content 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from whet.evaluation.extraction.answer import extract, has_content, known_answers
from whet.evaluation.extraction.result import same_result
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.scoring import RowScore
from whet.evaluation.metrics.turns import Turns
from whet.evaluation.sampling_noise import repeat_each, row_means
from whet.evaluation.verdict import compare
from whet.text.normalise import final_answer
from whet.text.numbers import format_change, format_change_range, format_p, format_score
from whet.types import Completion, Row

CUT_SAID = 0.05
"""From this share of answers cut by the token limit on, the verdict says so."""
TOLD = 0.01
"""A smaller difference between the figures is not worth a sentence."""


def content_scores(name: str, answers: Sequence[str], rows: Sequence[Row], known: Collection[str]) -> list[RowScore]:
    """The metric's score of what each answer says, 0 where nothing could be taken out; for results after #### numbers
    are compared as numbers. `details` hold content, in_form and how. Raises InputError where `has_content` is False."""
    scores = []
    for answer, row in zip(answers, rows, strict=True):
        found = extract(name, answer, row, known)
        if found.content is None:
            value = 0.0
        else:
            value = _score(name, found.content, row)
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
    values = []
    for side in (base, tuned):
        values.append([score.value for score in side])
    difference, verdict = compare(values[0], values[1], seed, clusters)
    return {
        "base": sum(values[0]) / len(values[0]),
        "tuned": sum(values[1]) / len(values[1]),
        "difference": difference.estimate,
        "difference_interval": [difference.low, difference.high],
        "p": difference.p,
        "word": verdict.word,
    }


@dataclass(frozen=True, slots=True)
class Content:
    """`figures`: the keys content and form of the verdict; `sides`: the shares in_form, extracted and cut of each
    side's answers; `found`: what was taken out of each answer. None, and only `cut`, where the metric has no form."""

    figures: dict[str, dict[str, Any] | None]
    sides: dict[str, dict[str, float | None]]
    found: dict[str, list[RowScore]] | None


def by_row(scores: Sequence[RowScore], turns: Turns, samples: int = 1) -> list[RowScore]:
    """Scores of turns as scores of rows, K answers each, with the details of the row's last turn."""
    values = turns.by_row([score.value for score in scores], samples)
    last = [place * samples + k for place in turns.last for k in range(samples)]
    return [RowScore(value, scores[place].details) for value, place in zip(values, last, strict=True)]


def measure_content(
    name: str,
    written: dict[str, list[Completion]],
    turns: Turns,
    samples: int,
    seed: int,
    clusters: Sequence[object] | None,
) -> Content:
    """Both figures, of `samples` answers of base and tuned to each turn."""
    cut = {side: sum(not one.finished for one in answers) / len(answers) for side, answers in written.items()}
    if not has_content(name):
        nothing = {"in_form": None, "extracted": None}
        return Content({"content": None, "form": None}, {side: nothing | {"cut": cut[side]} for side in cut}, None)

    known, asked = known_answers(name, turns.rows), repeat_each(turns.rows, samples)
    found = {side: content_scores(name, [a.text for a in written[side]], asked, known) for side in written}

    def of_rows(scores: Sequence[RowScore]) -> list[RowScore]:
        return row_means(by_row(scores, turns, samples), samples)

    figures: dict[str, dict[str, Any] | None] = {
        "content": figure(of_rows(found["base"]), of_rows(found["tuned"]), seed, clusters),
        "form": figure(of_rows(form_scores(found["base"])), of_rows(form_scores(found["tuned"])), seed, clusters),
    }
    sides: dict[str, dict[str, float | None]] = {
        side: {
            "in_form": sum(score.details["in_form"] for score in scores) / len(scores),
            "extracted": sum(score.details["content"] is not None for score in scores) / len(scores),
            "cut": cut[side],
        }
        for side, scores in found.items()
    }
    return Content(figures, sides, found)


def turn_lines(
    written: dict[str, list[Completion]],
    scores: dict[str, list[RowScore]],
    found: dict[str, list[RowScore]] | None,
    turns: Turns,
    samples: int,
) -> list[dict[str, Any]]:
    """What answers.jsonl says of each row beside its answers: content and form of the last turn's, and where a row has
    more turns, `turns`: every turn that was asked, with its first answers."""

    def taken(place: int) -> dict[str, Any]:
        if found is None:
            return {}
        details = {side: scored[place * samples].details for side, scored in found.items()}
        return {f"{side}_content": of["content"] for side, of in details.items()} | {
            f"{side}_form": of["in_form"] for side, of in details.items()
        }

    def turn(place: int) -> dict[str, Any]:
        first = place * samples
        return (
            {"turn": turns.turn[place], "reference": turns.rows[place].reference}
            | {side: answers[first].text for side, answers in written.items()}
            | {f"{side}_score": scored[first].value for side, scored in scores.items()}
            | taken(place)
        )

    lines: list[dict[str, Any]] = []
    places: dict[int, list[int]] = {}
    for place, owner in enumerate(turns.owner):
        places.setdefault(owner, []).append(place)

    for row, last in enumerate(turns.last):
        if len(places[row]) > 1:
            more = {"turns": [turn(place) for place in places[row]]}
        else:
            more = {}
        lines.append(taken(last) | more)
    return lines


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

    right, shaped = ([format_score(part[side], None) for side in ("base", "tuned")] for part in (content, form))
    low, high = content["difference_interval"]
    gain, reach = format_change(content["difference"], None), format_change_range(low, high, None)
    taken = (
        f"taken out of what stands around them, the base's answers are right in {right[0]} and the tuned model's in "
        f"{right[1]} ({gain} points, {reach}, {format_p(content['p'])}); {shaped[0]} of the base's and {shaped[1]} of "
        "the tuned model's were in form"
    )

    if facts["verdict"]["word"] == "better" and content["word"] != "better":
        if content["word"] == "worse":
            end = "the content got worse"
        else:
            end = "no gain in content is shown"
        return f" The gain is form, {end}: {taken}.{cut}"
    if content["word"] == "better" and rest >= TOLD:
        return f" Of this, {format_change(rest, None)} points are form: {taken}.{cut}"
    if content["word"] == "better":
        return f" The gain is content: {taken}.{cut}"
    return f" Content apart from form: {taken}.{cut}"


def _state_cut(facts: dict[str, Any], tokens: int) -> str:
    named = {"base": "the base's", "tuned": "the tuned model's"}
    cut = {side: facts[side]["cut"] for side in named if facts[side]["cut"] >= CUT_SAID}
    if not cut:
        return ""
    told = " and ".join(f"{format_score(share, None)} of {named[side]}" for side, share in cut.items())
    return f" The limit of {tokens} tokens cut {told} answers (evaluate.max_new_tokens)."
