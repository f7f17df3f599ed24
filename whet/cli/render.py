"""How results look in a terminal. Everything here takes the plain dictionaries that `--json` prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from whet.errors import without_hidden
from whet.reports.lines import Frame, Grid, Phrase, Spoken
from whet.reports.sections.making.ledger import ledger_grid
from whet.store.atomic import plain
from whet.text.wording import format_effort

if TYPE_CHECKING:
    from whet.data.ledger import LedgerFacts
    from whet.evaluation.facts import Evaluation
    from whet.store.run import ChoiceFacts

TONES = {
    "better": "green", "worse": "red", "no-difference": "yellow", "undecided": "yellow",  # a verdict
    "kept": "green", "lost": "red", "unclear": "yellow", "not judged": "dim",  # a budget
    "reached": "green", "missed": "red",  # a goal
    "yes": "bold green", "no": "bold red", "not yet": "bold yellow",  # should it be used?
    "strong": "bold", "soft": "dim",
}  # fmt: skip
"""Colours of the words that whet/reports/lines.py names; another word, such as one of a later version, has none."""
STATUS_STYLE = {"done": "green", "failed": "red", "damaged": "red", "interrupted": "yellow", "stopped": "yellow"}
LOG_WIDTH = 120
"""Columns where there is no terminal to ask."""


class SafeConsole(Console):
    """What is printed may be data: its control characters are shown and not obeyed, wherever they are."""

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
        """Prints text as it is: square brackets in it are not markup, long lines are not broken."""
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


def ledger(facts: LedgerFacts) -> Table:
    """Where every input row went."""
    return grid(ledger_grid(facts))


def choices(chosen: Iterable[ChoiceFacts]) -> Table:
    """The keys that a rule filled, with value and reason."""
    rows = [(Text(c["key"], style="cyan"), shortest(c["value"]), c["reason"]) for c in chosen]
    return table(["key", "#value", "why"], rows, title="Chosen for you")


def shortest(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return text_of(value)


def result(screen: Screen, facts: dict[str, Any]) -> None:
    """Everything that a finished tune, train or evaluation has to say: the lines of each section of the report."""
    from whet.reports.section_list import in_terminal

    evaluation = cast("Evaluation", facts)
    for section in in_terminal():
        for line in section.line(evaluation) if section.line else ():
            say_line(screen, line)

    if facts.get("seconds") is not None:
        screen.say(format_effort(facts), style="dim")
    if facts.get("report"):
        screen.say(f"Report: {facts['report']}")


def say_line(screen: Screen, line: Spoken) -> None:
    if isinstance(line, Phrase):
        screen.say(line.text, style=TONES.get(line.tone, ""))
    else:
        screen.show(grid(line) if isinstance(line, Grid) else frame(line))


def grid(drawn: Grid) -> Table:
    rows = []
    for row in drawn.rows:
        rows.append([format_phrase(cell) if isinstance(cell, Phrase) else cell for cell in row])
    return table(drawn.columns, rows, title=drawn.title)


def frame(drawn: Frame) -> Panel:
    body = Text()
    for phrase in drawn.text:
        body.append_text(format_phrase(phrase))
    style = TONES.get(drawn.tone, "none")
    title = Text(drawn.title, style=f"bold {style}")
    return Panel(body, title=title, title_align="left", border_style=style, padding=(1, 2))


def format_phrase(phrase: Phrase) -> Text:
    return Text(phrase.text, style=TONES.get(phrase.tone, ""))


def pieces(parts: Iterable[Sequence[Any]]) -> Text:
    """Rendered text: what is learned in green, what is only read dimmed."""
    text = Text()
    for piece, supervised in parts:
        text.append(without_hidden(piece), style="bold green" if supervised else "dim")
    return text


def format_parts(parts: Iterable[Sequence[Any]]) -> str:
    """The same without colour: what is learned is between « and »."""
    return "".join(f"«{piece}»" if supervised else piece for piece, supervised in parts)
