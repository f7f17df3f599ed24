"""`whet judge`: people compare the answers of base and tuned, without knowing whose they are, or judge the answers of a
service (service/judge_traces.py)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from whet.cli.options import RUNS, Json, RunName, Runs
from whet.errors import InputError, are, count

if TYPE_CHECKING:
    from whet.cli.render import Screen
    from whet.evaluation.judges.people import Choice
    from whet.verbs.judge import Judging, Question

KEYS: dict[str, Choice] = {"l": "left", "r": "right", "t": "tie", "b": "bad", "s": "skip"}
ARROWS = {"\x1b[D": "l", "\x1b[C": "r", "\x1bOD": "l", "\x1bOC": "r"}
NEWEST = 200
HELP = "l left is better   r right is better   t tie   b both bad   s skip   q quit"


def judge(
    run: RunName,
    who: Annotated[str | None, typer.Option(metavar="NAME", help="Who judges; default: your login.")] = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="SERVICE",
            help="Judge answers of a service: RUN is the model's name there, SERVICE its folder or database.",
        ),
    ] = None,
    project: Annotated[str | None, typer.Option(metavar="NAME", help="Of the service; default: default.")] = None,
    newest: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, metavar="N", help="Of the service, its last answers; default: 200."),
    ] = None,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Compare the answers of base and tuned without knowing whose they are. The same command again goes on.

    Keys: l left (or the arrow), r right, t tie, b both bad, s skip, q quit. Choices may also be piped, one a line.
    With --from, one answer that a service gave at a time: g good, b bad, c correct it, s skip, q quit.

    Example: whet judge tickets-1a2b3c4d
    """
    if service is not None:
        from whet.cli.verbs.service.judge_traces import judge_traces

        judge_traces(run, service, who, project or "default", newest or NEWEST, json_)
        return
    if project or newest:
        what = "this is of a service, and none is named"
        raise InputError(what, where="--project" if project else "--newest", fix="name it: --from SERVICE")
    from whet.cli.render import Screen
    from whet.verbs.judge import judge as sit_down

    screen = Screen(json_)
    sitting = sit_down(run, who, runs)
    total, name = len(sitting), sitting.who
    pairs = count(total, "pair")
    screen.say(f"{pairs} to judge as {name}; {HELP}" if total else f"{name} has judged every pair of this run")

    done = 0
    for done, (question, choice) in enumerate(judged(screen, sitting), start=1):
        sitting.keep(question, choice)
        screen.say(f"{done} of {total}: {choice}", style="dim")

    if left := total - done:
        screen.say(f"{count(left, 'pair')} {are(left)} left; the same command goes on")
    result = sitting.result()
    screen.say(result["statement"])

    if result["choices"]["decided"]:
        screen.say(f"The decided ones are preference rows: whet tune {result['preferences']}", style="dim")
        screen.say("They are this run's test rows: do not judge a model that learned them by that test.", style="dim")

    screen.finish(result)


def judged(screen: Screen, sitting: Judging) -> Iterator[tuple[Question, Choice]]:
    """Shows the pairs one by one, and gives each with what was chosen, until all are done or somebody quits."""
    keys = key_presses()
    for number, question in enumerate(sitting, start=1):
        show(screen, question, number, len(sitting))
        while (key := next(keys, "q")) not in KEYS:
            if key == "q":
                return
            screen.say(f"{key!r} is none of the keys; {HELP}", style="yellow")
        yield question, KEYS[key]


def show(screen: Screen, question: Question, number: int, total: int) -> None:
    """The request above, the two answers side by side; below each other where the terminal is narrow."""
    from rich.columns import Columns
    from rich.panel import Panel
    from rich.text import Text

    from whet.reports.answer_cards import visible

    screen.show(
        Panel(Text(visible(question.request)), title=f"{number} of {total}", title_align="left", border_style="dim")
    )
    sides = {"left": question.left, "right": question.right}
    panels = [Panel(Text(visible(text)), title=side, title_align="left") for side, text in sides.items()]
    wide = screen.console.width >= 80
    screen.show(Columns(panels, width=(screen.console.width - 1) // 2, padding=(0, 1)) if wide else Columns(panels))


def key_presses() -> Iterator[str]:
    """Keys as they are pressed; where there is no terminal, the first character of each line."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            if line.strip():
                yield line.strip()[:1].lower()
        return

    while True:
        key = one_key()
        yield ARROWS.get(key, key.lower())


def one_key() -> str:
    """One key. Raises KeyboardInterrupt for Ctrl-C; the end of the input quits."""
    try:
        return typer.getchar()
    except EOFError:
        return "q"
