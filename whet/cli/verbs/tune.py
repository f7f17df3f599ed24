"""`whet tune`: check, plan, train, evaluate, verdict: the main job in one go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.cli.importing import STARTING, without_garbage_collection
from whet.cli.options import RUNS, AcceptChanged, DataOrRecipe, Gate, Json, Name, OutRuns, Set
from whet.cli.recipe_flags import with_flags

if TYPE_CHECKING:
    from whet.cli.render import Screen
    from whet.recipe.schema import Recipe

NOT_BETTER = 3


@with_flags
def tune(
    data: DataOrRecipe,
    set_: Set = None,
    name: Name = None,
    runs: OutRuns = RUNS,
    until_kept: Annotated[
        bool, typer.Option("--until-kept", help="Over a budget elsewhere? Try nearer to the base, without training.")
    ] = False,
    accept_changed: AcceptChanged = False,
    gate: Gate = False,
    json_: Json = False,
) -> None:
    """Tune a model on your data and measure, on rows it never saw, whether it got better.

    The same command again resumes a run that was stopped.

    Example: whet tune tickets.jsonl --base nano --epochs 2
    """
    from whet.cli.render import Screen
    from whet.cli.requested_recipe import asked_recipe

    screen = Screen(json_)
    result = run_tune(screen, asked_recipe(data, set_), runs, name, until_kept, accept_changed)
    end(screen, result, gate)


def run_tune(
    screen: Screen,
    recipe: Recipe,
    runs: Path,
    name: str | None,
    until_kept: bool = False,
    accept_changed: bool = False,
) -> dict[str, Any]:
    from whet.cli.progress import observer

    watch = observer()
    watch.phase(STARTING)

    try:
        with without_garbage_collection():
            from whet import api

        result = api.tune(
            recipe,
            run_root=runs,
            name=name,
            observer=watch,
            until_kept=until_kept,
            accept_changed=accept_changed,
        )
    finally:
        watch.done()

    show_run(screen, runs / str(result["run"]), result)
    return result


def show_run(screen: Screen, folder: Path, result: dict[str, Any]) -> None:
    """What was chosen, and the result."""
    from whet.cli import render
    from whet.store.run import Run

    run = Run.open(folder)
    if chosen := run.choices():
        screen.show(render.choices(chosen))
        screen.say("")

    render.result(screen, result)
    screen.say(f"Run: {folder}")


def end(screen: Screen, result: dict[str, Any], gate: bool) -> None:
    screen.finish(result)
    if gate and (result.get("ship") or {}).get("answer") != "yes":
        raise typer.Exit(NOT_BETTER)
