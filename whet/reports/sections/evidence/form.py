"""Content, form and the loss on the references, each told apart from the score."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from whet.evaluation.facts import Evaluation, FigureFacts, LossFacts
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet, figure
from whet.text.numbers import format_change, format_change_range, format_p, format_score, unit
from whet.text.wording import WORDS


class SplitLine(TypedDict):
    """Content, form or loss, in words and figures."""

    name: str
    word: str
    label: str
    change: str
    range: str
    base: str
    tuned: str
    p: str
    unit: str
    rows: NotRequired[str]


def split_view(evaluation: Evaluation) -> list[SplitLine]:
    """Content, form and the loss on the references, each told apart from the score; those that were measured."""
    verdict, scale = evaluation.get("verdict") or {}, (evaluation.get("difference") or {}).get("scale")
    lines: list[SplitLine] = []

    if content := verdict.get("content"):
        lines.append(split_line("Content", content, scale))
    if form := verdict.get("form"):
        lines.append(split_line("Form", form, None))  # a share, whatever the scale of the scores
    if loss := evaluation.get("loss"):
        lines.append(loss_line(loss))
    return lines


def split_line(name: str, facts: FigureFacts, scale: float | None) -> SplitLine:
    low, high = facts["difference_interval"]
    return {
        "name": name,
        "word": facts["word"],
        "label": WORDS[facts["word"]][0].lower(),
        "change": format_change(facts["difference"], scale) + unit(scale),
        "range": format_change_range(low, high, scale),
        "base": format_score(facts["base"], scale),
        "tuned": format_score(facts["tuned"], scale),
        "p": format_p(facts["p"], prefix=False),
        "unit": "",
    }


def loss_line(loss: LossFacts) -> SplitLine:
    """Less is better: the change is shown with its sign, the word says what it means."""
    line = split_line("Reference loss", loss, 1.0)
    return {**line, "unit": f" {loss['unit']}", "rows": f"{loss['rows']:,}"}


def split_sheet(evaluation: Evaluation) -> Sheet | None:
    """The figures of the first screen once more, with p, and what the answers of each side were like; None if there
    are no such figures."""
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


def share_rows(evaluation: Evaluation) -> list[list[Cell]]:
    """Shares of each side's answers: those with a content, and those that the limit of tokens cut."""
    base, tuned = evaluation.get("base") or {}, evaluation.get("tuned") or {}
    limit = evaluation.get("answer_limit")
    cut = "Answers cut by the limit of tokens"
    if limit:
        cut = f"Answers cut at {limit:,} tokens"
    shares = (
        ("Answers with a content", base.get("extracted"), tuned.get("extracted")),
        (cut, base.get("cut"), tuned.get("cut")),
    )
    blank = [Cell("", figure=True, empty=True), Cell("", figure=True, empty=True), Cell("", empty=True)]

    rows = []
    for label, before, after in shares:
        if before is not None and after is not None:
            rows.append([Cell(label), figure(format_score(before, None)), figure(format_score(after, None)), *blank])
    return rows


SECTION = Section(key="form", title="Content, form, loss", after="goal", view=split_sheet)
