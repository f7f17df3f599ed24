"""What the tuned model was held against: each opponent's score and the difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict, cast

from whet.errors import count
from whet.evaluation.facts import Evaluation, OpponentFacts, SideFacts
from whet.reports import chart
from whet.reports.chart import Tick
from whet.reports.lines import Grid, Phrase, Spoken, score
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.numbers import format_change, format_change_range, format_p, format_range, format_score, unit
from whet.text.wording import WORDS, capitalise, number


class HeldAgainst(TypedDict):
    """What the first screen needs to know of an opponent."""

    name: str
    label: str
    score: float | None
    difference: float
    difference_interval: list[float]
    rows: int
    word: str
    scale: float | None


class OpponentsView(TypedDict):
    sentence: str
    sheet: Sheet
    ticks: list[Tick]
    details: list[str]
    """What is to be said of each, and who was not asked."""


def strongest(evaluation: Evaluation) -> HeldAgainst:
    """The opponent that the first screen names; for an evaluation without opponents the base."""
    verdict, difference = evaluation["verdict"], evaluation["difference"]
    entries = {entry["name"]: entry for entry in verdict.get("against") or []}
    if entries:
        entry = entries.get(verdict.get("strongest", "")) or next(iter(entries.values()))
        return cast(HeldAgainst, {"scale": difference.get("scale"), **entry})

    return {
        "name": "base",
        "label": "its base",
        "score": (evaluation.get("base") or {}).get("score"),
        "difference": difference["estimate"],
        "difference_interval": [difference["low"], difference["high"]],
        "rows": difference["rows"],
        "word": verdict["word"],
        "scale": difference.get("scale"),
    }


def opponents_view(evaluation: Evaluation) -> OpponentsView | None:
    """A row an opponent, the tuned model first; None for an evaluation without opponents."""
    verdict = evaluation.get("verdict") or {}
    entries = verdict.get("against") or []
    if not entries:
        return None

    scale, tuned = (evaluation.get("difference") or {}).get("scale"), evaluation.get("tuned") or {}
    ends = score_range(entries, tuned, scale)
    columns = ["opponent", "score, 95% interval", "tuned is", "difference, 95% interval", "p", "test rows",
               "prompt tokens"]  # fmt: skip
    rows = [tuned_row(tuned, scale, ends)]
    rows += [opponent_row(entry, entry["name"] == verdict.get("strongest"), scale, ends) for entry in entries]
    factor = 100 if scale is None else 1

    details = [f"{capitalise(entry['label'])}: {entry['detail']}" for entry in entries if entry.get("detail")]
    for absent in verdict.get("not_asked") or []:
        details.append(f"Not asked: {absent['label']}, because {absent['reason']}.")

    return {
        "sentence": verdict["sentence"] if evaluation.get("difference") else "",
        "sheet": Sheet(columns, rows, chosen=[0], style="opponents"),
        "ticks": chart.axis(factor * ends[0], factor * ends[1], 4),
        "details": details,
    }


def score_range(entries: list[OpponentFacts], tuned: SideFacts, scale: float | None) -> tuple[float, float]:
    """0..1, or for other scores a range that holds all of them."""
    if scale is None:
        return 0.0, 1.0
    ends: list[float] = []
    for entry in entries:
        ends += [*entry["interval"], entry["score"]]
    ends += [tuned.get(key, tuned["score"]) for key in ("low", "score", "high")]
    return chart.pad_range(min(ends), max(ends), 0.1)


def tuned_row(tuned: SideFacts, scale: float | None, ends: tuple[float, float]) -> list[Cell]:
    low, high = (number(tuned.get(end), tuned["score"]) for end in ("low", "high"))
    if "rows" in tuned:
        rows = f"{tuned['rows']:,}"
    else:
        rows = ""

    return [
        Cell("The tuned model", bold=True),
        drawn(low, tuned["score"], high, scale, ends, "tuned-side"),
        Cell("", empty=True),
        Cell("", figure=True, empty=True),
        Cell("", empty=True),
        Cell(rows, figure=True, empty=not rows),
        Cell("", empty=True),
    ]


def opponent_row(
    entry: OpponentFacts, is_strongest: bool, scale: float | None, ends: tuple[float, float]
) -> list[Cell]:
    scale = entry.get("scale", scale)
    low, high = entry["interval"]
    ends_of = entry["difference_interval"]
    title, _ = WORDS[entry["word"]]
    tokens = entry.get("prompt_tokens")

    return [
        Cell(capitalise(entry["label"]), "the strongest" if is_strongest else "", bold=True),
        drawn(low, entry["score"], high, scale, ends, "base-side"),
        Cell(title.lower(), chip=entry["word"]),
        figure(
            format_change(entry["difference"], scale) + unit(scale),
            format_change_range(ends_of[0], ends_of[1], scale),
        ),
        figure(format_p(entry["p"], prefix=False)),
        figure(f"{entry['rows']:,}"),
        Cell("" if tokens is None else f"{tokens:,.0f}", figure=True, empty=tokens is None),
    ]


def drawn(low: float, score: float, high: float, scale: float | None, ends: tuple[float, float], tone: str) -> Cell:
    """A score in words and as a dot with its interval."""
    span = chart.span(low, score, high, *ends)
    return Cell(format_score(score, scale), format_range(low, high, scale), span=span, tone=tone)


def independence(evaluation: Evaluation) -> str:
    """How many test rows there are, and what they are worth if some belong together."""
    verdict, rows = evaluation.get("verdict") or {}, (evaluation.get("difference") or {}).get("rows")
    if rows is None:
        return ""

    all_rows, clusters, worth = count(rows, "test row"), verdict.get("clusters"), verdict.get("effective_rows")
    if not clusters or clusters >= rows:
        return all_rows
    if worth is None:
        return f"{all_rows} in {clusters:,} clusters"
    return f"{all_rows} in {clusters:,} clusters, worth {worth:,.0f} effective rows"


def opponents_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    """What the tuned model was held against; what could not be asked stands below with its reason."""
    verdict = evaluation.get("verdict") or {}
    against = verdict.get("against")
    if not against:
        return

    rows = [terminal_row(entry, entry["name"] == verdict.get("strongest")) for entry in against]
    for absent in verdict.get("not_asked") or []:  # runs that were measured before there were any do not say
        rows.append([Phrase(f"{absent['label']}: {absent['reason']}", "soft"), "", "", "", "", ""])
    columns = ["held against", "#score", "#tuned is, 95%", "#rows", "#prompt", ""]
    yield Grid("The tuned model against what needs no training", columns, rows)


def terminal_row(entry: OpponentFacts, is_strongest: bool) -> list[object]:
    scale, (low, high) = entry.get("scale"), entry["difference_interval"]
    tokens = entry["prompt_tokens"]
    return [
        Phrase(short(entry["label"]), "strong" if is_strongest else ""),
        score(entry["score"], scale),
        f"{format_change(entry['difference'], scale)} ({format_change_range(low, high, scale)})",
        entry["rows"],
        None if tokens is None else round(tokens),
        Phrase(entry["word"], entry["word"]),
    ]


def short(label: str) -> str:
    """So that the table stays narrow."""
    label = label.removeprefix("the ")
    if len(label) <= 34:
        return label[:1].upper() + label[1:]
    return label[:1].upper() + label[1:31] + "..."


SECTION = Section(
    key="opponents",
    title="Opponents",
    after="answer",
    view=opponents_view,
    line=opponents_lines,
    line_after="difference",
)
