"""Two figures that are never mixed: what the answers say (content), and whether a program can read them (form).

The content of an answer is what whet/evaluation/extraction/answer.py takes out of it, scored by the metric; its form is
1 if the answer is in the form that the metric asks for. An answer that the metric accepts as it is has content 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from whet.evaluation.extraction.answer import extract, has_content, known_answers
from whet.evaluation.extraction.result import same_result
from whet.evaluation.facts import SIDES, Evaluation, FigureFacts
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.scoring import RowScore, values_of
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
    """The metric's score of what each answer says, 0 if nothing could be taken out of it; results after #### are
    compared as numbers. `details` hold content, in_form and how. Raises InputError if `has_content` is False."""
    scores = []
    for answer, row in zip(answers, rows, strict=True):
        taken = extract(name, answer, row, known)
        value = 0.0
        if taken.content is not None:
            value = _score(name, taken.content, row)
        scores.append(RowScore(value, {"content": taken.content, "in_form": taken.in_form, "how": taken.how}))

    return scores


def form_scores(contents: Sequence[RowScore]) -> list[RowScore]:
    """1 for each answer that was in form; `contents` come from `content_scores`."""
    return [RowScore(float(score.details["in_form"])) for score in contents]


def _score(name: str, content: str, row: Row) -> float:
    if name == "final-answer":
        expected, given = final_answer(row.reference), final_answer(content)
        return float(expected is not None and given is not None and same_result(expected, given))
    return metric.score(name, content, row).value


def figure(
    base: Sequence[RowScore], tuned: Sequence[RowScore], seed: int, clusters: Sequence[object] | None
) -> FigureFacts:
    """One of the two figures, from one score a row, base and tuned in the same order."""
    before, after = values_of(base), values_of(tuned)
    difference, verdict = compare(before, after, seed, clusters)
    return {
        "base": sum(before) / len(before),
        "tuned": sum(after) / len(after),
        "difference": difference.estimate,
        "difference_interval": [difference.low, difference.high],
        "p": difference.p,
        "word": verdict.word,
    }


class ShareFacts(TypedDict):
    """Shares of one side's answers; None for a metric without a form."""

    in_form: float | None
    extracted: float | None
    cut: float


class Figures(TypedDict):
    """The keys `content` and `form` of the verdict; None for a metric without a form."""

    content: FigureFacts | None
    form: FigureFacts | None


@dataclass(frozen=True, slots=True)
class Content:
    figures: Figures
    sides: dict[str, ShareFacts]
    scores: dict[str, list[RowScore]] | None
    """What was taken out of each answer, by side; None for a metric without a form."""


def by_row(scores: Sequence[RowScore], turns: Turns, samples: int = 1) -> list[RowScore]:
    """Scores of turns as scores of rows, K answers each, with the details of the row's last turn."""
    values = iter(turns.by_row(values_of(scores), samples))

    rows = []
    for place in turns.last:
        for k in range(samples):
            rows.append(RowScore(next(values), scores[place * samples + k].details))
    return rows


def measure_content(
    name: str,
    written: dict[str, list[Completion]],
    turns: Turns,
    samples: int,
    seed: int,
    clusters: Sequence[object] | None,
) -> Content:
    """Both figures, of `samples` answers of base and tuned to each turn."""
    cut = {}
    for side, answers in written.items():
        cut[side] = sum(not answer.finished for answer in answers) / len(answers)

    sides: dict[str, ShareFacts] = {}
    if not has_content(name):
        for side in written:
            sides[side] = {"in_form": None, "extracted": None, "cut": cut[side]}
        return Content({"content": None, "form": None}, sides, None)

    known, asked = known_answers(name, turns.rows), repeat_each(turns.rows, samples)
    contents, forms, scores = {}, {}, {}
    for side, answers in written.items():
        scores[side] = content_scores(name, [answer.text for answer in answers], asked, known)
        contents[side] = row_means(by_row(scores[side], turns, samples), samples)
        forms[side] = row_means(by_row(form_scores(scores[side]), turns, samples), samples)
        sides[side] = shares(scores[side], cut[side])

    content = figure(contents["base"], contents["tuned"], seed, clusters)
    form = figure(forms["base"], forms["tuned"], seed, clusters)
    return Content({"content": content, "form": form}, sides, scores)


def shares(scores: Sequence[RowScore], cut: float) -> ShareFacts:
    in_form = sum(score.details["in_form"] for score in scores)
    extracted = sum(score.details["content"] is not None for score in scores)
    return {"in_form": in_form / len(scores), "extracted": extracted / len(scores), "cut": cut}


def turn_lines(
    written: dict[str, list[Completion]],
    scores: dict[str, list[RowScore]],
    contents: dict[str, list[RowScore]] | None,
    turns: Turns,
    samples: int,
) -> list[dict[str, Any]]:
    """What answers.jsonl says of each row beside its answers: content and form of its last turn; for a row with more
    turns also `turns`: every turn that was asked, with its first answers."""

    def taken(place: int) -> dict[str, Any]:
        line: dict[str, Any] = {}
        for key in ("content", "in_form"):
            for side, side_scores in (contents or {}).items():
                line[f"{side}_{key.removeprefix('in_')}"] = side_scores[place * samples].details[key]
        return line

    def turn(place: int) -> dict[str, Any]:
        first = place * samples
        line: dict[str, Any] = {"turn": turns.turn[place], "reference": turns.rows[place].reference}
        for side, answers in written.items():
            line[side] = answers[first].text
        for side, side_scores in scores.items():
            line[f"{side}_score"] = side_scores[first].value
        return line | taken(place)

    places: dict[int, list[int]] = {}
    for place, owner in enumerate(turns.owner):
        places.setdefault(owner, []).append(place)

    lines: list[dict[str, Any]] = []
    for row, last in enumerate(turns.last):
        line = taken(last)
        if len(places[row]) > 1:
            line["turns"] = [turn(place) for place in places[row]]
        lines.append(line)

    return lines


def state_content(facts: Evaluation, tokens: int) -> str:
    """Which of the two improved, as a sentence that follows the verdict's; "" if content and form say nothing new, for
    example if all answers of both models were in form. `tokens` is the limit of an answer."""
    content, form = facts["verdict"]["content"], facts["verdict"]["form"]
    if content is None or form is None:
        return ""

    cut = _state_cut(facts, tokens)
    rest = facts["difference"]["estimate"] - content["difference"]
    if abs(rest) < TOLD / 2 and abs(form["difference"]) < TOLD:
        return cut

    taken = _state_figures(content, form)
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


def _state_figures(content: FigureFacts, form: FigureFacts) -> str:
    right = format_score(content["base"], None), format_score(content["tuned"], None)
    shaped = format_score(form["base"], None), format_score(form["tuned"], None)
    low, high = content["difference_interval"]
    gain = f"{format_change(content['difference'], None)} points, {format_change_range(low, high, None)}"

    return (
        f"taken out of what stands around them, the base's answers are right in {right[0]} and the tuned model's in "
        f"{right[1]} ({gain}, {format_p(content['p'])}); {shaped[0]} of the base's and {shaped[1]} of "
        "the tuned model's were in form"
    )


def _state_cut(facts: Evaluation, tokens: int) -> str:
    owners = {"base": "the base's", "tuned": "the tuned model's"}
    parts = []
    for side in SIDES:
        share = facts[side].get("cut", 0.0)
        if share >= CUT_SAID:
            parts.append(f"{format_score(share, None)} of {owners[side]}")

    if not parts:
        return ""
    return f" The limit of {tokens} tokens cut {' and '.join(parts)} answers (evaluate.max_new_tokens)."
