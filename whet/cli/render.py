"""How results look in a terminal. Everything here takes the plain dictionaries that `--json` prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from whet.errors import without_hidden
from whet.evaluation import decision as ship
from whet.reports.sections.decision import advice, measure_row
from whet.store.atomic import plain
from whet.text.numbers import told_change, told_change_range, told_metric, told_score
from whet.text.wording import told_effort

VERDICT_STYLE = {"better": "green", "worse": "red", "no-difference": "yellow", "undecided": "yellow"}
SHIP_STYLE = {"yes": "bold green", "no": "bold red", "not yet": "bold yellow"}
BUDGET_STYLE = {"kept": "green", "lost": "red", "unclear": "yellow", "not judged": "dim"}
GOAL_STYLE = {"reached": "green", "missed": "red", "undecided": "yellow"}
STATUS_STYLE = {"done": "green", "failed": "red", "damaged": "red", "interrupted": "yellow", "stopped": "yellow"}
LOG_WIDTH = 120
"""Columns where there is no terminal to ask."""


class SafeConsole(Console):
    """What is printed may be data: its control characters are shown and not obeyed, wherever they stand."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(without_hidden(segment.text), segment.style)


class Screen:
    """Where things for people go: stdout, or stderr when stdout must hold nothing but one JSON object."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        stream = sys.stderr if as_json else sys.stdout
        self.console = SafeConsole(file=stream, width=None if stream.isatty() else LOG_WIDTH, highlight=False)

    def say(self, text: str, style: str = "") -> None:
        """Prints text as it stands: square brackets in it are not markup, long lines are not broken."""
        self.console.print(Text(without_hidden(text), style=style), soft_wrap=True)  # Text leaves out \a, \b and \r

    def show(self, thing: Any) -> None:
        self.console.print(thing)

    def finish(self, result: object) -> None:
        """The one JSON object, where asked for."""
        if self.as_json:
            print(json.dumps(plain(result)), flush=True)  # in ASCII, which every terminal and pipe can carry


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> Table:
    """A plain table; columns whose name starts with '#' hold numbers and are aligned to the right."""
    built = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        built.add_column(column.removeprefix("#"), justify="right" if column.startswith("#") else "left")
    for row in rows:
        built.add_row(*(cell if isinstance(cell, Text) else Text(without_hidden(text_of(cell))) for cell in row))
    return built


def text_of(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def ledger(facts: dict[str, Any]) -> Table:
    """Where every input row went. The lines add up to the rows read."""
    held_out = facts.get("held_out") or {}
    rows: list[tuple[str, object]] = [("trained", facts.get("trained"))]
    rows += [(f"held out for {part}", number) for part, number in held_out.items()]
    rows += [(f"dropped: {reason}", number) for reason, number in sorted((facts.get("dropped") or {}).items())]
    rows.append(("read", facts.get("rows_in")))
    cut = facts.get("truncated") or {}
    if cut.get("rows"):
        rows += [("of these cut short", cut["rows"]), ("tokens cut away", cut["tokens"])]
    if facts.get("supervised_tokens") is not None:
        rows.append(("tokens to learn", facts["supervised_tokens"]))
    return table(["rows", "#"], rows, title="Where every row went")


def choices(chosen: Iterable[dict[str, Any]]) -> Table:
    """The keys that a rule filled, with value and reason."""
    rows = [(Text(c["key"], style="cyan"), shortest(c["value"]), c["reason"]) for c in chosen]
    return table(["key", "#value", "why"], rows, title="Chosen for you")


def shortest(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else text_of(value)


def score(value: float | None, scale: float | None = None) -> str:
    return "-" if value is None else told_score(value, scale)


def verdict(result: dict[str, Any]) -> Panel:
    """The verdict of the task in one sentence, the two scores, and the difference with its interval drawn.

    What was lost elsewhere is left out of the sentence: the answer to "should it be used?" says it.
    """
    found = result.get("verdict") or {}
    word = found.get("word", "undecided")
    style = VERDICT_STYLE.get(word, "none")
    body = Text(found.get("sentence", "").replace(ship.in_verdict(result), ""))
    base, tuned, difference = (result.get(key) or {} for key in ("base", "tuned", "difference"))
    if tuned.get("score") is not None:
        name = told_metric((result.get("metric") or {}).get("name", "score"))
        body.append(f"\n\n{name}   base ")
        scale = difference.get("scale")
        body.append(score(base.get("score"), scale), style="bold")
        body.append("   tuned ")
        body.append(score(tuned["score"], scale), style=style)
    if difference.get("low") is not None and difference.get("scale") is None:
        body.append(f"\n{interval(difference['low'], difference['estimate'], difference['high'])}")
        body.append(f"\n{'-100':<28}{'0':^5}{'+100 points':>28}", style="dim")
    return Panel(body, title=Text(word, style=f"bold {style}"), title_align="left", border_style=style, padding=(1, 2))


def interval(low: float, estimate: float, high: float, width: int = 61) -> str:
    """The interval on a line from -100 to +100 points, zero marked: `·····┼···├──●──┤····`."""

    def place(value: float) -> int:
        return round((min(1.0, max(-1.0, value)) + 1) / 2 * (width - 1))

    line = ["·"] * width
    line[width // 2] = "┼"
    for position in range(place(low), place(high) + 1):
        line[position] = "─"
    line[place(low)], line[place(high)], line[place(estimate)] = "├", "┤", "●"
    return "".join(line)


def result(screen: Screen, facts: dict[str, Any]) -> None:
    """Everything that a finished tune, train or evaluation has to say."""
    if facts.get("ledger"):
        screen.show(ledger(facts["ledger"]))
        screen.say("")
    if facts.get("verdict"):
        screen.show(verdict(facts))
    if (facts.get("verdict") or {}).get("against"):
        screen.show(opponents(facts["verdict"]))
    if goal := (facts.get("verdict") or {}).get("goal"):
        screen.say(goal["sentence"], style=GOAL_STYLE[goal["word"]])
    third = facts.get("bake") or facts.get("distil") or facts.get("retrieval") or {}
    if third.get("statement"):
        screen.say(third["statement"])
    if facts.get("wins"):
        screen.say(facts["wins"]["statement"])
    forgetting = facts.get("forgetting") or {}
    if forgetting.get("measures"):
        screen.show(cost(forgetting["measures"]))
    elif forgetting.get("statement"):
        screen.say(f"Forgetting: {forgetting['statement']}")
    if facts.get("ship"):
        screen.say(f"Should it be used? {facts['ship']['sentence']}", style=SHIP_STYLE[facts["ship"]["answer"]])
        if what_helps := advice(facts["ship"], facts):
            screen.say(what_helps)
    stopped = facts.get("stopped") or {}
    if stopped.get("reason"):
        screen.say(f"Training ended at step {stopped.get('step')}: {stopped['reason']}")
    if facts.get("seconds") is not None:
        screen.say(told_effort(facts), style="dim")
    if facts.get("report"):
        screen.say(f"Report: {facts['report']}")


def opponents(found: dict[str, Any]) -> Table:
    """What the tuned model was held against; what could not be asked stands below with its reason."""
    rows: list[Sequence[object]] = [
        (
            Text(short(one["label"]), style="bold" if one["name"] == found.get("strongest") else ""),
            score(one["score"], one.get("scale")),
            f"{told_change(one['difference'], one.get('scale'))} "
            f"({told_change_range(one['difference_interval'][0], one['difference_interval'][1], one.get('scale'))})",
            one["rows"],
            None if one["prompt_tokens"] is None else round(one["prompt_tokens"]),
            Text(one["word"], style=VERDICT_STYLE[one["word"]]),
        )
        for one in found["against"]
    ]
    rows += [(Text(f"{one['label']}: {one['reason']}", style="dim"), "", "", "", "", "") for one in absent(found)]
    columns = ["held against", "#score", "#tuned is, 95%", "#rows", "#prompt", ""]
    return table(columns, rows, title="The tuned model against what needs no training")


def absent(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Opponents that could not be asked; none in runs that were measured before there were any."""
    return found.get("not_asked") or []


def short(label: str) -> str:
    """So that the table stays narrow."""
    label = label.removeprefix("the ")
    return label[:1].upper() + label[1:] if len(label) <= 34 else label[:1].upper() + label[1:31] + "..."


def cost(measures: Sequence[dict[str, Any]]) -> Table:
    """What the tune cost elsewhere, against its budgets."""
    told = [(measure_row(measure), BUDGET_STYLE[measure["word"]]) for measure in measures]
    rows = [
        [row["what"], row["loss"], row["range"], row["budget"], Text(row["label"], style=style)] for row, style in told
    ]
    return table(["measure", "#change", "#95% interval", "#budget", ""], rows, title="What it cost elsewhere")


def pieces(parts: Iterable[Sequence[Any]]) -> Text:
    """Rendered text: what is learned in green, what is only read dimmed."""
    text = Text()
    for piece, supervised in parts:
        text.append(without_hidden(piece), style="bold green" if supervised else "dim")
    return text


def marked(parts: Iterable[Sequence[Any]]) -> str:
    """The same without colour: what is learned stands between « and »."""
    return "".join(f"«{piece}»" if supervised else piece for piece, supervised in parts)
