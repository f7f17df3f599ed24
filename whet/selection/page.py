"""The page of a choice: what to use, why, and the numbers behind it. One HTML file without scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from markupsafe import Markup

from whet.errors import HIDDEN, count
from whet.evaluation.comparison.advice import dollars
from whet.reports.chart import span
from whet.reports.page import templates_of_a_page
from whet.reports.sheet import Cell, Sheet, figure
from whet.selection.choice_facts import CandidateFacts, ChoiceFacts
from whet.selection.plot import PlottedWay, draw, ways_of
from whet.store.atomic import write_text
from whet.text.numbers import format_change, format_rough_duration
from whet.text.wording import percent

PAGE, PICTURE = "report.html", "choice.svg"
HOUR = 3600
NONE = "\u2013"


class ChoiceView(TypedDict):
    """Everything that choice.html.j2 needs."""

    name: str
    facts: list[str]
    word: str
    headline: str
    sentence: str
    verdict: str
    picture: Markup
    ways: Sheet
    candidates: Sheet
    lines: list[str]
    metric: str
    metric_reason: str
    sections: list[tuple[str, str]]


def write_choice_page(folder: Path, facts: ChoiceFacts) -> None:
    """Writes report.html and choice.svg."""
    view = page(facts)
    text = templates_of_a_page().get_template("choice.html.j2").render(view)
    write_text(folder / PICTURE, str(view["picture"]))
    write_text(folder / PAGE, HIDDEN.sub("\ufffd", text))


def headline(facts: ChoiceFacts) -> str:
    """What to do, in as few words as there are."""
    chosen = facts["chosen"]
    if chosen is None:
        return "None is worth it"
    if not facts["worth_it"]:
        return f"Not proved: {chosen['label']}"
    if chosen["way"] == "tuned":
        return f"Tune {chosen['base']}"
    return f"Use {chosen['label']}: do not tune"


def page(facts: ChoiceFacts) -> ChoiceView:
    verdict = facts["verdict"]
    return {
        "name": facts["name"],
        "facts": [
            count(len(facts["candidates"]), "candidate"),
            count(facts["validation_rows"], "validation row"),
            f"metric: {facts['metric']['name']}",
        ],
        "word": "better" if facts["worth_it"] else "undecided",
        "headline": headline(facts),
        "sentence": facts["reason"],
        "verdict": "No test row was read." if verdict is None else verdict["sentence"],
        "picture": Markup(draw(facts)),
        "ways": way_sheet(ways_of(facts)),
        "candidates": Sheet(
            ["candidate", "licence", "context", "tokens a row", "a whole tune", "memory", "what became of it"],
            [candidate_row(candidate) for candidate in facts["candidates"]],
        ),
        "lines": lines_of(facts),
        "metric": facts["metric"]["name"],
        "metric_reason": facts["metric"]["reason"],
        "sections": [("candidates", "The candidates"), ("measured", "How it was measured")],
    }


def way_sheet(ways: list[PlottedWay]) -> Sheet:
    """A row a way, the chosen one marked."""
    columns = ["way", "score, 95% interval", "prompt tokens", "answer tokens", "time each", "cost of 1,000"]
    rows = []
    for way in ways:
        asked = way.facts
        low, high = asked["interval"]
        rows.append(
            [
                Cell(f"{way.number} {way.base}", way.label, bold=True),
                Cell(
                    percent(asked["score"]),
                    f"{percent(low)} to {percent(high)}",
                    span=span(low, asked["score"], high, 0.0, 1.0),
                    tone="tuned-side" if way.chosen else "base-side",
                ),
                figure(f"{asked['prompt_tokens']:,.0f}"),
                figure(f"{asked['answer_tokens']:,.0f}"),
                figure(f"{asked['seconds_per_answer']:.3f} s"),
                figure(NONE if asked["usd_per_1000"] is None else dollars(asked["usd_per_1000"])),
            ]
        )
    return Sheet(columns, rows, chosen=[n for n, way in enumerate(ways) if way.chosen], style="arms")


def candidate_row(candidate: CandidateFacts) -> list[Cell]:
    cost = candidate["cost"]
    tokens, hours, memory = candidate["tokens_per_row"], cost["hours"], cost["memory"]
    ended = candidate["why"] or "measured to the end"
    return [
        Cell(candidate["base"], bold=True),
        Cell(candidate["licence"]),
        figure(NONE if candidate["context"] is None else f"{candidate['context']:,}"),
        figure(NONE if tokens is None else f"{tokens:,.0f}"),
        figure(NONE if hours is None else format_rough_duration(HOUR * hours)),
        figure(NONE if memory is None else f"{memory / 1e9:.2f} GB"),
        Cell(ended),
    ]


def lines_of(facts: ChoiceFacts) -> list[str]:
    """How the numbers were made, what it cost, and what could not be measured."""
    budget, constant = facts["budget"], facts["constant"]
    used = f"{format_rough_duration(HOUR * budget['used']['hours'])} of this machine"
    if budget["price_per_hour"] is not None or budget["usd"] is not None:
        used += f", {dollars(budget['used']['usd'])} in all"
    lines = [
        f"All candidates were asked the same {count(facts['validation_rows'], 'validation row')}, greedily. The best "
        f"constant answer ({constant['label']}) reaches {percent(constant['score'])} there.",
        f"Spent: {used}.",
    ]
    if facts["verdict"] is None:
        lines.append("Nothing was chosen, so no test row was read.")
    else:
        rows = count(facts["verdict"]["rows"], "test row")
        lines.append(f"The {rows} were read once, at the end, by the chosen one and what it was held against.")
    if facts["selection_gain"] is not None:
        gain = format_change(facts["selection_gain"], None)
        lines.append(
            f"Of its score on the validation rows {gain} points were not there on the test rows: that much was "
            "selection, or chance."
        )
    if facts["answers_per_month"] is not None:
        lines.append(
            f"Costs are those of {facts['answers_per_month']:,} answers a month; a machine of one's own is paid for "
            "all of its hours."
        )

    for candidate in facts["candidates"]:
        lines += [f"{candidate['base']}, {way}: {why}." for way, why in candidate["not_asked"].items()]
    return lines + facts.get("notes", [])
