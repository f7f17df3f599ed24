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
    from whet.store.registry import list_models

    screen = render.Screen(json_)
    found = list_models(runs)
    if not found:
        screen.say(f"no named models in {runs}/ yet; name one with: whet models register NAME RUN")
    rows = [
        (
            model.name,
            one.version,
            "in use" if one.version == model.current else "",
            (one.facts.get("verdict") or {}).get("word", "not measured"),
            (one.facts.get("ship") or {}).get("answer", ""),
            one.run,
            one.registered,
        )
        for model in found
        for one in model.versions
    ]
    if rows:
        screen.show(render.table(["model", "#version", "", "verdict", "ship it?", "run", "registered"], rows))
    screen.finish({"models": [{"name": m.name, "current": m.current, "versions": m.versions} for m in found]})


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
    from whet.errors import RunFolderError
    from whet.store import registry

    found = registry.find_run(run, runs)
    if not found.model.is_dir():
        fix = "finish it: run the command that made it again"
        raise RunFolderError(f"run {found.name!r} has no model yet, it is {found.status}", fix=fix)
    evaluated = (found.folder / "evaluation.json").exists()
    evaluation = found.read_json("evaluation.json") if evaluated else {}
    facts = registry.facts_of(evaluation) if evaluated else {}
    version = registry.register(name, found, facts, runs)
    screen = Screen(json_)
    screen.say(f"{name}@{version} is run {found.name}; put it in use with: whet models promote {name} {version}")
    screen.finish({"name": name, "version": version, "run": found.name})


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
    from whet.store import registry

    registry.promote(name, version, runs)
    screen = Screen(json_)
    screen.say(f"{name}@{version} is in use")
    screen.finish({"name": name, "current": version})


@app.command("roll-back")
def roll_back(name: ModelName, runs: Runs = RUNS, json_: Json = False) -> None:
    """Return to the version of a model that was in use before.

    Example: whet models roll-back support-desk
    """
    from whet.cli.render import Screen
    from whet.store import registry

    version = registry.roll_back(name, runs)
    screen = Screen(json_)
    screen.say(f"{name}@{version} is in use again")
    screen.finish({"name": name, "current": version})
