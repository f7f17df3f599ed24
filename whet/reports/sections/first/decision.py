"""The first screen of a report: should the model be used, the three reasons, and what it cost to find out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from whet.errors import count
from whet.evaluation import decision
from whet.evaluation.facts import Decision, Evaluation, TrainingFacts
from whet.reports.lines import Phrase, Spoken
from whet.reports.section import Section
from whet.reports.sections.evidence.classes import lost_lines
from whet.reports.sections.evidence.cost import MeasureRow, judged, measure_row, measures
from whet.reports.sections.evidence.form import SplitLine, split_view
from whet.reports.sections.evidence.opponents import independence, strongest
from whet.text.numbers import (
    format_change,
    format_change_range,
    format_duration,
    format_metric_name,
    format_score,
    points,
    unit,
)
from whet.text.wording import capitalise, on_gpu, size

MOST_LOST = 3
"""Classes that the first screen names."""
TITLES = {"yes": "Yes", "no": "No", "not yet": "Not yet"}
SIGNS = {"yes": "\u2713", "no": "\u2715", "not yet": "?"}


class GainView(TypedDict):
    word: str
    figure: str
    over: str
    """Over whom, in words."""
    range: str
    note: str
    base: str
    """The change over the base; empty if the base is the strongest opponent."""


class ShipView(TypedDict):
    answer: str
    """A class of report.css."""
    title: str
    sign: str
    sentence: str
    goal: str
    gain: GainView
    lost: list[str]
    """Classes that are lost, in words."""
    split: list[SplitLine]
    cost: list[MeasureRow]
    rows: str
    unknown: list[str]
    next: str
    """What to do if it forgot too much; else empty."""


class FirstScreen(TypedDict):
    ship: ShipView | None
    effort: str


def ship_view(evaluation: Evaluation) -> ShipView | None:
    """The answer with its reasons; None for a run without a verdict."""
    if not evaluation.get("verdict") or not evaluation.get("difference"):
        return None

    decided = decision.decide(evaluation)
    answer = decided["answer"]
    return {
        "answer": answer.replace(" ", "-"),
        "title": TITLES[answer],
        "sign": SIGNS[answer],
        "sentence": capitalise(decided["sentence"].partition(": ")[2]),
        "goal": goal(evaluation),
        "gain": gain(evaluation),
        "lost": lost_lines(evaluation)[:MOST_LOST],
        "split": split_view(evaluation),
        "cost": [measure_row(measure) for measure in judged(evaluation)],
        "rows": independence(evaluation),
        "unknown": list(unknown(evaluation)),
        "next": advice(decided, evaluation),
    }


def goal(evaluation: Evaluation) -> str:
    """What the verdict says of the recipe's goal; empty if it has none."""
    return ((evaluation["verdict"].get("goal") or {}).get("sentence")) or ""


def gain(evaluation: Evaluation) -> GainView:
    """What was gained over the strongest opponent, and over the base if that is another."""
    difference = evaluation["difference"]
    metric = format_metric_name((evaluation.get("metric") or {}).get("name", "score"))
    held = strongest(evaluation)
    scale, (low, high) = held["scale"], held["difference_interval"]
    theirs, tuned = (format_score((held["score"] or 0.0) + more, scale) for more in (0.0, held["difference"]))

    scores, base = f"{theirs} before, {tuned} now", ""
    if held["name"] != "base":
        scores = f"{tuned} against {theirs}"
        change = format_change(difference["estimate"], difference.get("scale")) + unit(difference.get("scale"))
        base = f"{change} over its base"

    return {
        "word": held["word"],
        "figure": f"{format_change(held['difference'], scale)}{unit(scale)}",
        "over": f"over {held['label']}" + ("" if held["name"] == "base" else ", the strongest opponent"),
        "range": f"95% interval {format_change_range(low, high, scale)}",
        "note": f"{metric}: {scores}, on {count(held['rows'], 'test row')} that training never saw",
        "base": base,
    }


def effort(facts: Evaluation | TrainingFacts) -> str:
    """What the run itself took; empty if it was not written down."""
    parts = []
    seconds, rate = facts.get("seconds"), facts.get("tokens_per_second")
    if seconds is not None:
        time = format_duration(seconds)
        if rate:
            time += f", its steps at {rate:,.0f} tokens a second"
        parts.append(time)

    if memory := facts.get("peak_memory_bytes"):
        if on_gpu(facts):
            of = "the GPU's memory"
        else:
            of = "memory"
        parts.append(f"{size(memory)} of {of} at most")

    if tampered := facts.get("tampered"):
        parts.append(f"{count(tampered, 'answer')} tampered with the tests and scored 0")
    return ", ".join(parts)


def unknown(evaluation: Evaluation) -> list[str]:
    """What the rows cannot tell, in sentences."""
    sentences = []
    needed = evaluation["verdict"].get("rows_needed")

    if evaluation["verdict"]["word"] == "undecided":
        if needed:
            more = f"; about {needed:,} rows like these would probably decide"
        else:
            more = ""
        sentences.append(f"Whether it is better at its task{more}.")

    sentences += [
        f"Whether it is better than {entry['label']}: {count(entry['rows'], 'test row')} cannot decide."
        for entry in evaluation["verdict"].get("against") or []
        if entry["word"] == "undecided"
    ]
    for measure in judged(evaluation):
        if measure["word"] == "unclear":
            sentences.append(
                f"{measure['what']}: {count(measure['rows'], 'row')} cannot place the loss within its budget."
            )

    if not measures(evaluation):
        sentences.append("What it cost elsewhere: that was not measured.")
    smallest = evaluation.get("detectable_gain")
    if smallest is not None:
        sentences.append(f"Gains below about {points(round(smallest, 3))}: these test rows are too few to show them.")
    return sentences


def advice(decided: Decision, evaluation: Evaluation) -> str:
    """What to do if it forgot too much, or may have; else empty."""
    if not (decided["broken"] or decided["unclear"]):
        return ""
    if why := evaluation.get("no_nearer"):
        return f"What often helps: a lower learning_rate. Points nearer to the base cannot be tried: {why}"
    run = evaluation["run"]  # pyright: ignore[reportTypedDictNotRequiredAccess]  # there in every file
    return (
        "What often helps: the same command with --until-kept, which tries points nearer to the base without training "
        f"again (to see them: whet frontier {run}); or a lower learning_rate"
    )


def first_screen(evaluation: Evaluation) -> FirstScreen:
    """The answer, if there is one, and what the run took."""
    return {"ship": ship_view(evaluation), "effort": effort(evaluation)}


def answer_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    """The answer, and what to do if it forgot too much."""
    ship = evaluation.get("ship")
    if not ship:
        return
    yield Phrase(f"Should it be used? {ship['sentence']}", ship["answer"])
    if what_helps := advice(ship, evaluation):
        yield Phrase(what_helps)


SECTION = Section(key="answer", after="trouble", view=first_screen, line=answer_lines, line_after="cost")
