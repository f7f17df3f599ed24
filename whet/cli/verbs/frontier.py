"""`whet frontier`: task score against general score on the way from base to tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, RunName, Runs, Trust

if TYPE_CHECKING:
    from whet.cli.render import Screen


def frontier(
    run: RunName,
    prompts: Annotated[
        str | None, typer.Option("--prompts", metavar="FILE", help="General prompts; default: the base's own.")
    ] = None,
    take: Annotated[
        float | None, typer.Option("--take", metavar="SCALE", help="Make this point, above 0 and up to 1, a run.")
    ] = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Draw what the task gains against what general ability loses, at every share of the way from base to tuned.

    Measured on validation rows. --take releases a point without training again: as a new run, measured on the test.

    Example: whet frontier tickets-1a2b3c4d
    """
    with without_garbage_collection():
        from whet import api
    from whet.cli.progress import watching
    from whet.cli.render import Screen
    from whet.errors import InputError

    if take is not None and prompts is not None:
        fix = "leave one of them out"
        raise InputError("--prompts is for measuring the way, and --take measures on the test rows", fix=fix)

    screen = Screen(json_)
    with watching() as watch:
        if take is None:
            result = api.frontier(run, prompts, run_root=runs, observer=watch)
        else:
            result = api.take(run, take, run_root=runs, observer=watch)

    if take is None:
        show(screen, result, run)
    else:
        from whet.cli import render

        render.result(screen, result)

    screen.finish(result)


def show(screen: Screen, facts: dict[str, Any], run: str) -> None:
    from rich.text import Text

    from whet.cli.render import table
    from whet.errors import count
    from whet.text.numbers import format_metric_name

    rows = []
    for point in facts["points"]:
        chosen = point["scale"] == facts["scale"]
        task, general = (interval(point[key]) for key in ("task", "general"))
        style = "bold green" if chosen else ""
        rows.append([Text(cell, style=style) for cell in (f"{point['scale']:g}", task, general, "<" if chosen else "")])

    columns = ["#scale", f"#task ({format_metric_name(facts['metric']['name'])})", "#general", ""]
    title = f"{count(facts['rows'], 'validation row')}, {facts['general_rows']} {facts['general']}"
    screen.show(table(columns, rows, title=title))
    screen.say(f"\nIt would take {facts['scale']:g}: {facts['why']}.")

    if facts["scale"] == 0:
        screen.say("That is the base: there is nothing to release.")
    elif facts["scale"] == 1:
        screen.say("That is the model as it was trained: nothing needs to be done.")
    else:
        screen.say(f"Release it: whet frontier {run} --take {facts['scale']:g}")
    screen.say(f"Drawn in {facts['svg']}")


def interval(score: dict[str, float]) -> str:
    return f"{100 * score['score']:5.1f}%  ({100 * score['low']:.0f} to {100 * score['high']:.0f})"
