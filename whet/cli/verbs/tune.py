"""`whet tune`: check, plan, train, evaluate, verdict: the main job in one go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.cli.importing import STARTING, without_garbage_collection
from whet.cli.options import RUNS, AcceptChanged, DataOrRecipe, Gate, Json, Name, OutRuns, Set
from whet.cli.recipe_flags import with_flags
from whet.errors import InputError

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
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="URL", help="Train at a service with OpenAI's fine-tuning API; measure here."),
    ] = None,
    at_key: Annotated[
        str | None, typer.Option("--at-key", metavar="VARIABLE", help="Environment variable with its API key.")
    ] = None,
    at_model: Annotated[
        str | None, typer.Option("--at-model", metavar="NAME", help="What the service calls the base.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", metavar="FILE", help="With --at: say the price before anything is sent.")
    ] = None,
    most_dollars: Annotated[
        float | None, typer.Option("--most-dollars", metavar="N", help="With --prices: refuse a dearer run.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="With --at: cancel the job of this run.")] = False,
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
    if at is not None:
        place = At(at, at_key, at_model, prices, most_dollars)
        refuse_here_only(until_kept)
        recipe = asked_recipe(data, set_, elsewhere=True)
        if cancel:
            told = cancel_tune(recipe, place, runs, name)
            screen.say(told)
            screen.finish({"cancelled": told})
            return
        end(screen, run_tune_at(screen, recipe, place, runs, name, accept_changed), gate)
        return

    refuse_elsewhere_only(at_key, at_model, prices, most_dollars, cancel)
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
    from whet.cli.progress import watching

    with watching(STARTING) as watch:
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

    show_run(screen, runs / str(result["run"]), result)
    return result


@dataclass(frozen=True, slots=True)
class At:
    """Where a run is trained, and what it may cost."""

    url: str
    key: str | None
    model: str | None
    prices: Path | None
    most_dollars: float | None


def refuse_here_only(until_kept: bool) -> None:
    """Raises InputError."""
    if until_kept:
        what = "points nearer to the base are made of weights, and these are at the service"
        raise InputError(what, where="--until-kept", fix="leave --until-kept or --at out")


def refuse_elsewhere_only(*given: object) -> None:
    """Options that say nothing without --at. Raises InputError."""
    names = ("--at-key", "--at-model", "--prices", "--most-dollars", "--cancel")
    for name, value in zip(names, given, strict=True):
        if value not in (None, False):
            what = "this option is of a run that a service trains"
            raise InputError(what, where=name, fix="add --at URL, or leave it out")


def run_tune_at(
    screen: Screen, recipe: Recipe, place: At, runs: Path, name: str | None, accept_changed: bool
) -> dict[str, Any]:
    from whet.cli.progress import watching

    with watching(STARTING) as watch:
        with without_garbage_collection():
            from whet.launcher.tuning import tune_at

        result = tune_at(
            recipe,
            place.url,
            run_root=runs,
            name=name,
            observer=watch,
            key=place.key,
            model=place.model,
            prices=place.prices,
            most_dollars=place.most_dollars,
            accept_changed=accept_changed,
        )

    show_run(screen, runs / str(result["run"]), result)
    return result


def cancel_tune(recipe: Recipe, place: At, runs: Path, name: str | None) -> str:
    with without_garbage_collection():
        from whet.launcher.tuning import cancel_at

    return cancel_at(recipe, place.url, runs, name, place.key, place.model)


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
