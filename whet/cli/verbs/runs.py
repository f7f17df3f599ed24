"""`whet runs`: list, show and compare what was done."""

from __future__ import annotations

from typing import Annotated

import typer

from whet.cli.completions import run_names
from whet.cli.options import RUNS, Json, RunName, Runs, options_first
from whet.errors import count

app = typer.Typer(invoke_without_command=True)


@app.callback()
def runs(context: typer.Context, runs: Runs = RUNS, json_: Json = False) -> None:
    """List, show and compare runs; without a verb of its own: list.

    Example: whet runs
    """
    if context.invoked_subcommand is None:
        listing(runs=runs, json_=json_)
    elif json_ or runs != RUNS:
        raise options_first("runs", context.invoked_subcommand)


@app.command("list")
def listing(runs: Runs = RUNS, json_: Json = False) -> None:
    """List the runs, newest first.

    Example: whet runs list
    """
    from rich.text import Text

    from whet.cli import render
    from whet.verbs.runs import runs as list_runs

    screen = render.Screen(json_)
    summaries = list_runs(runs)
    if not summaries:
        screen.say(f"no runs in {runs}/ yet; make one with: whet tune DATA")

    head, rows = summaries.table()
    coloured = [
        (name, Text(status, style=render.STATUS_STYLE.get(status, "")), *cells) for name, status, *cells in rows
    ]

    if rows:
        screen.show(render.table([f"#{name}" if name in ("base", "tuned") else name for name in head], coloured))

    for run in summaries:
        if run.problem:
            screen.say(f"{run.name}: {run.problem}", style="red")
    screen.finish({"runs": summaries})


@app.command("show")
def show(run: RunName, runs: Runs = RUNS, json_: Json = False) -> None:
    """Show one run: its recipe, what was chosen and why, and its result.

    Example: whet runs show tickets-1a2b3c4d
    """
    from whet.cli import render
    from whet.recipe.load import dump_recipe
    from whet.store.model_registry import find_run
    from whet.verbs.runs import show

    screen = render.Screen(json_)
    opened = find_run(run, runs)
    facts = show(opened)
    screen.say(f"{opened.name}  {opened.status}  {opened.folder}", style="bold")
    screen.say(dump_recipe(opened.recipe))

    if facts["choices"]:
        screen.show(render.choices(facts["choices"]))
        screen.say("")

    render.result(screen, facts["evaluation"] or {"ledger": facts["ledger"]})
    screen.finish(facts)


@app.command("diff")
def diff(
    run: RunName,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Another run.", autocompletion=run_names)],
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Show what differs between two runs: recipe, environment, and scores.

    Example: whet runs diff tickets-1a2b3c4d tickets-5e6f7a8b
    """
    from whet.cli import render
    from whet.verbs.runs import diff

    screen = render.Screen(json_)
    difference = diff(run, other, runs)
    if difference["changed"]:
        rows = [(key, *pair) for key, pair in difference["changed"].items()]
        screen.show(render.table(["key", run, other], rows))
    else:
        screen.say("the two runs do not differ in recipe, environment or scores")

    screen.finish(difference)


@app.command("rm")
def remove(
    names: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Names or folders of runs; see: whet runs.", autocompletion=run_names),
    ],
    force: Annotated[bool, typer.Option("--force", help="Also one whose model is live or pinned.")] = False,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Remove runs with all that they hold: model, checkpoints, report. The data is not touched.

    A run that is at work is refused, and so is one whose model is live or pinned (whet models), unless --force is
    given. Where one of several is refused, none is removed.

    Example: whet runs rm tickets-1a2b3c4d
    """
    from whet.cli import render
    from whet.verbs.runs import remove

    screen = render.Screen(json_)
    done = remove(names, runs, force)
    for name, size in done.freed.items():
        screen.say(f"{name} is removed: {size / 1e6:,.1f} MB")
    screen.finish(done)


@app.command("prune")
def prune(
    days: Annotated[float, typer.Option(min=0.0, metavar="N", help="Keep what was written in the last N days.")] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only listed.")] = False,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """List the runs that nothing holds on to, and remove them with --yes.

    A run stays that is at work, that you named, whose model is live, was, or is pinned, that is the best on its data,
    or that the recipe of one that stays names.

    Example: whet runs prune --days 30
    """
    from whet.cli import render
    from whet.verbs.runs import prune

    screen = render.Screen(json_)
    done = prune(runs, days, yes)

    going, given = done["would_go"], done["given"]
    if going:
        rows = [(run.name, run.status, f"{run.days:.0f}", f"{run.bytes / 1e6:,.1f} MB") for run in going]
        screen.show(render.table(["would go", "status", "#days old", "#size"], rows))

    if done["kept"]:
        screen.show(render.table(["stays", "why"], list(done["kept"].items())))

    if given:
        loose = f", and {count(len(given), 'file')} of given rows that no run names"
    else:
        loose = ""

    size = f"{done['bytes'] / 1e6:,.1f} MB"
    if not going and not given:
        screen.say("nothing to remove")
    elif yes:
        screen.say(f"removed {count(len(going), 'run')}{loose}: {size}")
    else:
        screen.say(f"nothing was removed; --yes removes {count(len(going), 'run')}{loose}: {size}")

    screen.finish(done)
