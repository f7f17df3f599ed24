"""`whet models`: named models with versions: register, promote, roll back, compare, trace, prune (more: traffic.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.cli.completions import model_names, talkers
from whet.cli.options import RUNS, Json, ModelName, RunName, Runs, Version, options_first
from whet.cli.verbs.service import traffic
from whet.errors import count

if TYPE_CHECKING:
    from whet.cli.render import Screen
    from whet.verbs.versions.difference import VersionDifference
    from whet.verbs.versions.lineage import Lineage

app = typer.Typer(invoke_without_command=True)

ModelOrRun = Annotated[
    str, typer.Argument(metavar="MODEL@VERSION", help="A version of a model, or a run.", autocompletion=talkers)
]


@app.callback()
def models(context: typer.Context, runs: Runs = RUNS, json_: Json = False) -> None:
    """Name models, try versions, make them live, roll back, compare; without a verb of its own: list.

    Example: whet models
    """
    if context.invoked_subcommand is None:
        listing(runs=runs, json_=json_)
    elif json_ or runs != RUNS:
        raise options_first("models", context.invoked_subcommand)


@app.command("list")
def listing(runs: Runs = RUNS, json_: Json = False) -> None:
    """List the named models with the stage of each version: candidate, live, retired.

    Example: whet models list
    """
    from whet.cli import render
    from whet.verbs.models import models as list_models

    screen = render.Screen(json_)
    models = list_models(runs)
    if not models:
        screen.say(f"no named models in {runs}/ yet; name one with: whet models register NAME RUN")

    head, rows = models.table()
    if rows:
        screen.show(render.table(["#version" if name == "version" else name for name in head], rows))
    screen.finish({"models": models.told()})


@app.command("register")
def register(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model, new or known.")],
    run: RunName,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Make the model of a finished run the next version of a named model: a candidate.

    Example: whet models register support-desk tickets-1a2b3c4d
    """
    from whet.cli.render import Screen
    from whet.verbs.models import register

    done = register(name, run, runs)
    screen = Screen(json_)
    version = done["version"]
    promoted = f"whet models promote {name} {version}"
    screen.say(f"{name}@{version} is run {done['run']}, a candidate; to make it live: {promoted}")
    screen.finish(done)


@app.command("promote")
def promote(
    name: ModelName,
    version: Version,
    force: Annotated[bool, typer.Option("--force", help="Also without a verdict that says yes, or a proof.")] = False,
    why: Annotated[str | None, typer.Option("--why", metavar="TEXT", help="The reason for --force, kept.")] = None,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Make a version live; the one that was live is retired.

    Its verdict must say yes, and a release of it must have been proved (whet export). --force promotes it all the same,
    and keeps who did it, when and why.

    Example: whet models promote support-desk 2
    """
    from whet.cli.render import Screen
    from whet.verbs.models import promote

    done = promote(name, version, runs, force, why)
    screen = Screen(json_)
    if done["was"] == version:
        screen.say(f"{name}@{version} was live already")
    else:
        by_force = f", by force: {'; '.join(done['missing'])}" if done["forced"] else ""
        retired = f"; {name}@{done['was']} is retired" if done["was"] else ""
        screen.say(f"{name}@{version} is live{retired}{by_force}")
        say_ended(screen, done)
    screen.finish(done)


@app.command("rollback")
def roll_back(name: ModelName, runs: Runs = RUNS, json_: Json = False) -> None:
    """Make the version of a model live again that was before; the other is retired.

    Example: whet models rollback support-desk
    """
    from whet.cli.render import Screen
    from whet.verbs.models import roll_back

    done = roll_back(name, runs)
    screen = Screen(json_)
    screen.say(f"{name}@{done['current']} is live again; {name}@{done['was']} is retired")
    say_ended(screen, done)
    screen.finish(done)


def say_ended(screen: Screen, done: dict[str, Any]) -> None:
    """What was tried beside the version that was live, if anything was."""
    if "ended" in done:
        screen.say(f"{done['name']}@{done['ended']['version']} is no longer tried beside it")


app.command("roll-back", hidden=True)(roll_back)  # its name in earlier versions
traffic.add_to(app)


@app.command("diff")
def diff(
    one: ModelOrRun,
    other: Annotated[
        str, typer.Argument(metavar="OTHER@VERSION", help="Another version or run.", autocompletion=talkers)
    ],
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Show what differs between two versions: recipe, data, scores, verdict, forgetting, card, releases.

    Example: whet models diff support-desk@1 support-desk@2
    """
    from whet.cli.render import Screen
    from whet.verbs.models import diff

    screen = Screen(json_)
    found = diff(one, other, runs)
    show(screen, found, ": ")


@app.command("lineage")
def lineage(model: ModelOrRun, runs: Runs = RUNS, json_: Json = False) -> None:
    """Trace a version to its data and rows, its base and the runs before it, and on to its releases.

    Example: whet models lineage support-desk@2
    """
    from whet.cli.render import Screen
    from whet.verbs.models import lineage

    screen = Screen(json_)
    found = lineage(model, runs)
    show(screen, found, " ")


def show(screen: Screen, found: VersionDifference | Lineage, between: str) -> None:
    """Title, facts and table of a result. `between` stands between a fact's name and its words."""
    from whet.cli import render

    screen.say(found.title(), style="bold")
    for name, words in found.facts():
        screen.say(f"{name}{between}{words}")
    screen.show(render.table(*found.table()))
    screen.finish(found)


@app.command("pin")
def pin(name: ModelName, version: Version, runs: Runs = RUNS, json_: Json = False) -> None:
    """Hold a version: it is never pruned.

    Example: whet models pin support-desk 1
    """
    from whet.cli.render import Screen
    from whet.verbs.models import pin

    screen, done = Screen(json_), pin(name, version, runs)
    screen.say(f"{name}@{version} is pinned; whet models unpin {name} {version} lets it go")
    screen.finish(done)


@app.command("unpin")
def unpin(name: ModelName, version: Version, runs: Runs = RUNS, json_: Json = False) -> None:
    """Let a pinned version go.

    Example: whet models unpin support-desk 1
    """
    from whet.cli.render import Screen
    from whet.verbs.models import pin

    screen, done = Screen(json_), pin(name, version, runs, pinned=False)
    screen.say(f"{name}@{version} is no longer pinned")
    screen.finish(done)


@app.command("prune")
def prune(
    name: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="One model; default: all.", autocompletion=model_names)
    ] = None,
    days: Annotated[float, typer.Option(min=0.0, metavar="N", help="Keep what was written in the last N days.")] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only listed.")] = False,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """List the versions that nothing holds on to, and remove their runs with --yes.

    A version stays that is live, pinned, the best of its model, what a rollback would make live, what the name stands
    for, at work, judged by people, or named in the recipe of a run that stays.

    Example: whet models prune support-desk
    """
    from whet.cli import render
    from whet.verbs.models import prune

    screen = render.Screen(json_)
    done = prune(name, runs, days, yes)
    going, size = done["would_go"], f"{done['bytes'] / 1e6:,.1f} MB"
    if going:
        rows = [
            (", ".join(one["versions"]), one["run"], f"{one['days']:.0f}", f"{one['bytes'] / 1e6:,.1f} MB")
            for one in going
        ]
        screen.show(render.table(["would go", "run", "#days old", "#size"], rows))
    if done["kept"]:
        screen.show(render.table(["stays", "why"], list(done["kept"].items())))

    if not going:
        screen.say("nothing to remove")
    elif yes:
        screen.say(f"removed {count(len(going), 'run')}: {size}")
    else:
        screen.say(f"nothing was removed; --yes removes {count(len(going), 'run')}: {size}")
    screen.finish(done)
