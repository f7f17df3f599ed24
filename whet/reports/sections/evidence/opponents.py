"""What the tuned model was held against: each opponent's score and the difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from whet.errors import count
from whet.reports import chart
from whet.reports.lines import Grid, Phrase, Spoken, score
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.numbers import format_change, format_change_range, format_p, format_range, format_score, unit
from whet.text.wording import WORDS, capitalise, number


def strongest(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The opponent that the first screen names, as an entry of `verdict.against`; for an evaluation without opponents
    the base."""
    verdict, difference = evaluation["verdict"], evaluation["difference"]
    entries = {entry["name"]: entry for entry in verdict.get("against") or []}
    if entries:
        found = entries.get(verdict.get("strongest")) or next(iter(entries.values()))
        return {"scale": difference.get("scale")} | found

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


def opponents_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
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


def score_range(entries: list[dict[str, Any]], tuned: dict[str, Any], scale: float | None) -> tuple[float, float]:
    """0..1, or for other scores a range that holds all of them."""
    if scale is None:
        return 0.0, 1.0
    ends = []
    for entry in entries:
        for value in (*entry["interval"], entry["score"]):
            ends.append(value)
    ends += [tuned.get(key, tuned["score"]) for key in ("low", "score", "high")]
    return chart.pad_range(min(ends), max(ends), 0.1)


def tuned_row(tuned: dict[str, Any], scale: float | None, ends: tuple[float, float]) -> list[Cell]:
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


def opponent_row(entry: dict[str, Any], strongest: bool, scale: float | None, ends: tuple[float, float]) -> list[Cell]:
    scale = entry.get("scale", scale)
    low, high = entry["interval"]
    ends_of = entry["difference_interval"]
    title, _ = WORDS[entry["word"]]
    tokens = entry.get("prompt_tokens")

    return [
        Cell(capitalise(entry["label"]), "the strongest" if strongest else "", bold=True),
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


def independence(evaluation: dict[str, Any]) -> str:
    """How many test rows there are, and what they are worth where some belong together."""
    verdict, rows = evaluation.get("verdict") or {}, (evaluation.get("difference") or {}).get("rows")
    if rows is None:
        return ""
    said, clusters, worth = count(rows, "test row"), verdict.get("clusters"), verdict.get("effective_rows")
    if not clusters or clusters >= rows:
        return said
    return f"{said} in {clusters:,} clusters" + ("" if worth is None else f", worth {worth:,.0f} effective rows")


def opponents_lines(facts: dict[str, Any]) -> Iterator[Spoken]:
    """What the tuned model was held against; what could not be asked stands below with its reason."""
    found = facts.get("verdict") or {}
    if not found.get("against"):
        return

    rows = [told_opponent(entry, entry["name"] == found.get("strongest")) for entry in found["against"]]
    for one in found.get("not_asked") or []:  # runs that were measured before there were any do not say
        rows.append([Phrase(f"{one['label']}: {one['reason']}", "soft"), "", "", "", "", ""])
    columns = ["held against", "#score", "#tuned is, 95%", "#rows", "#prompt", ""]
    yield Grid("The tuned model against what needs no training", columns, rows)


def told_opponent(entry: dict[str, Any], is_strongest: bool) -> list[object]:
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
