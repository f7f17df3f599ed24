"""`whet models`: named models with versions; promote and roll back."""

from __future__ import annotations

from typing import Annotated

import typer

from whet.cli.completions import model_names
from whet.cli.options import RUNS, Json, RunName, Runs, options_first

app = typer.Typer(invoke_without_command=True)

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of a model; see: whet models.", autocompletion=model_names)
]


@app.callback()
def models(context: typer.Context, runs: Runs = RUNS, json_: Json = False) -> None:
    """Name models, promote versions, roll back; without a verb of its own: list.

    Example: whet models
    """
    if context.invoked_subcommand is None:
        listing(runs=runs, json_=json_)
    elif json_ or runs != RUNS:
        raise options_first("models", context.invoked_subcommand)


@app.command("list")
def listing(runs: Runs = RUNS, json_: Json = False) -> None:
    """List the named models; the version in use is marked.

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
    screen.finish({"models": [{"name": m.name, "current": m.current, "versions": m.versions} for m in models]})


@app.command("register")
def register(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the model, new or known.")],
    run: RunName,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Make the model of a finished run the next version of a named model.

    Example: whet models register support-desk tickets-1a2b3c4d
    """
    from whet.cli.render import Screen
    from whet.verbs.models import register

    done = register(name, run, runs)
    screen = Screen(json_)
    version = f"{name}@{done['version']}"
    screen.say(f"{version} is run {done['run']}; put it in use with: whet models promote {name} {done['version']}")
    screen.finish(done)


@app.command("promote")
def promote(
    name: ModelName,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The version to put in use.")],
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Put a version of a model in use.

    Example: whet models promote support-desk 2
    """
    from whet.cli.render import Screen
    from whet.verbs.models import promote

    done = promote(name, version, runs)
    screen = Screen(json_)
    screen.say(f"{name}@{version} is in use")
    screen.finish(done)


@app.command("roll-back")
def roll_back(name: ModelName, runs: Runs = RUNS, json_: Json = False) -> None:
    """Return to the version of a model that was in use before.

    Example: whet models roll-back support-desk
    """
    from whet.cli.render import Screen
    from whet.verbs.models import roll_back

    done = roll_back(name, runs)
    screen = Screen(json_)
    screen.say(f"{name}@{done['current']} is in use again")
    screen.finish(done)
