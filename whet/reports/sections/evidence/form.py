"""Content, form and the loss on the references, each told apart from the score."""

from __future__ import annotations

from typing import Any

from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.numbers import format_change, format_change_range, format_p, format_score, unit
from whet.text.wording import WORDS


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
        "change": format_change(found["difference"], scale) + unit(scale),
        "range": format_change_range(low, high, scale),
        "base": format_score(found["base"], scale),
        "tuned": format_score(found["tuned"], scale),
        "p": format_p(found["p"], prefix=False),
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

    rows = []
    for line in lines:
        rows.append(
            [
                Cell(line["name"], line["unit"].strip()),
                figure(line["base"]),
                figure(line["tuned"]),
                figure(line["change"], line["range"]),
                figure(line["p"]),
                Cell(line["label"], chip=line["word"]),
            ]
        )
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
        [Cell(label), figure(format_score(base[key], None)), figure(format_score(tuned[key], None)), *blank]
        for key, label in names
        if base.get(key) is not None and tuned.get(key) is not None
    ]


SECTION = Section(key="form", title="Content, form, loss", after="goal", view=split_sheet)
