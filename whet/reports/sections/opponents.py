"""What the tuned model was held against: each opponent's score and the difference; content and form, apart."""

from __future__ import annotations

from typing import Any

from whet.errors import count
from whet.reports import chart
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.numbers import told_change, told_change_range, told_range, told_score, unit
from whet.text.wording import WORDS, capital, number, probability


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
    return {
        "sheet": Sheet(columns, rows, chosen=[0], style="opponents"),
        "ticks": chart.axis(factor * ends[0], factor * ends[1], 4),
        "details": [f"{capital(entry['label'])}: {entry['detail']}" for entry in entries if entry.get("detail")]
        + [f"Not asked: {one['label']}, because {one['reason']}." for one in verdict.get("not_asked") or []],
    }


def score_range(entries: list[dict[str, Any]], tuned: dict[str, Any], scale: float | None) -> tuple[float, float]:
    """0..1, or for other scores a range that holds all of them."""
    if scale is None:
        return 0.0, 1.0
    ends = [value for entry in entries for value in (*entry["interval"], entry["score"])]
    ends += [tuned.get(key, tuned["score"]) for key in ("low", "score", "high")]
    return chart.widen(min(ends), max(ends), 0.1)


def tuned_row(tuned: dict[str, Any], scale: float | None, ends: tuple[float, float]) -> list[Cell]:
    low, high = (number(tuned.get(end), tuned["score"]) for end in ("low", "high"))
    rows = f"{tuned['rows']:,}" if "rows" in tuned else ""
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
    entry: dict[str, Any], strongest: bool, scale: float | None, ends: tuple[float, float]
) -> list[Cell]:
    scale = entry.get("scale", scale)
    low, high = entry["interval"]
    ends_of = entry["difference_interval"]
    title, _ = WORDS[entry["word"]]
    tokens = entry.get("prompt_tokens")
    return [
        Cell(capital(entry["label"]), "the strongest" if strongest else "", bold=True),
        drawn(low, entry["score"], high, scale, ends, "base-side"),
        Cell(title.lower(), chip=entry["word"]),
        figure(
            told_change(entry["difference"], scale) + unit(scale),
            told_change_range(ends_of[0], ends_of[1], scale),
        ),
        figure(probability(entry["p"])),
        figure(f"{entry['rows']:,}"),
        Cell("" if tokens is None else f"{tokens:,.0f}", figure=True, empty=tokens is None),
    ]


def drawn(
    low: float, score: float, high: float, scale: float | None, ends: tuple[float, float], tone: str
) -> Cell:
    """A score in words and as a dot with its interval."""
    span = chart.span(low, score, high, *ends)
    return Cell(told_score(score, scale), told_range(low, high, scale), span=span, tone=tone)


def split_view(evaluation: dict[str, Any]) -> list[dict[str, str]]:
    """Content, form and the loss on the references, each told apart from the score; those that were measured."""
    verdict, scale = evaluation.get("verdict") or {}, (evaluation.get("difference") or {}).get("scale")
    lines = []
    if content := verdict.get("content"):
        lines.append(split_line("Content", content, scale))
    if form := verdict.get("form"):
        lines.append(split_line("Form", form, None))  # a share, whatever the scale of the scores
    if loss := evaluation.get("loss"):
        lines.append(loss_line(loss))
    return lines


def split_line(name: str, found: dict[str, Any], scale: float | None) -> dict[str, str]:
    low, high = found["difference_interval"]
    return {
        "name": name,
        "word": found["word"],
        "label": WORDS[found["word"]][0].lower(),
        "change": told_change(found["difference"], scale) + unit(scale),
        "range": told_change_range(low, high, scale),
        "base": told_score(found["base"], scale),
        "tuned": told_score(found["tuned"], scale),
        "p": probability(found["p"]),
        "unit": "",
    }


def loss_line(loss: dict[str, Any]) -> dict[str, str]:
    """Less is better: the change is shown with its sign, the word says what it means."""
    line = split_line("Reference loss", loss, 1.0)
    return line | {"unit": f" {loss['unit']}", "rows": f"{loss['rows']:,}"}


def split_sheet(evaluation: dict[str, Any]) -> Sheet | None:
    """The figures of the first screen once more, with p, and what the answers of each side were like; None without."""
    lines = split_view(evaluation)
    if not lines:
        return None
    rows = [
        [
            Cell(line["name"], line["unit"].strip()),
            figure(line["base"]),
            figure(line["tuned"]),
            figure(line["change"], line["range"]),
            figure(line["p"]),
            Cell(line["label"], chip=line["word"]),
        ]
        for line in lines
    ]
    columns = ["figure", "base", "tuned", "change, 95% interval", "p", "word"]
    return Sheet(columns, rows + share_rows(evaluation))


def share_rows(evaluation: dict[str, Any]) -> list[list[Cell]]:
    """Shares of each side's answers in which something could be taken out, and that the limit of tokens cut."""
    base, tuned = evaluation.get("base") or {}, evaluation.get("tuned") or {}
    limit = evaluation.get("answer_limit")
    names = (
        ("extracted", "Answers with a content"),
        ("cut", f"Answers cut at {limit:,} tokens" if limit else "Answers cut by the limit of tokens"),
    )
    blank = [Cell("", figure=True, empty=True), Cell("", figure=True, empty=True), Cell("", empty=True)]
    return [
        [Cell(label), figure(told_score(base[key], None)), figure(told_score(tuned[key], None)), *blank]
        for key, label in names
        if base.get(key) is not None and tuned.get(key) is not None
    ]


def independence(evaluation: dict[str, Any]) -> str:
    """How many test rows there are, and what they are worth where some belong together."""
    verdict, rows = evaluation.get("verdict") or {}, (evaluation.get("difference") or {}).get("rows")
    if rows is None:
        return ""
    said, clusters, worth = count(rows, "test row"), verdict.get("clusters"), verdict.get("effective_rows")
    if not clusters or clusters >= rows:
        return said
    return f"{said} in {clusters:,} clusters" + ("" if worth is None else f", worth {worth:,.0f} effective rows")
