"""`whet train`: trains, without the evaluation."""

from __future__ import annotations

from whet.cli.importing import STARTING, without_garbage_collection
from whet.cli.options import RUNS, AcceptChanged, DataOrRecipe, Json, Name, OutRuns, Set
from whet.cli.recipe_flags import with_flags


@with_flags
def train(
    data: DataOrRecipe,
    set_: Set = None,
    name: Name = None,
    runs: OutRuns = RUNS,
    accept_changed: AcceptChanged = False,
    json_: Json = False,
) -> None:
    """Train only; measure later with `whet eval`. The same command again resumes.

    Example: whet train recipe.yaml --name tickets-a
    """
    from whet.cli.progress import watching
    from whet.cli.render import Screen
    from whet.cli.requested_recipe import asked_recipe
    from whet.cli.verbs.tune import show_run

    screen = Screen(json_)
    recipe = asked_recipe(data, set_)
    with watching(STARTING) as watch:
        with without_garbage_collection():
            from whet import api

        result = api.train(recipe, run_root=runs, name=name, observer=watch, accept_changed=accept_changed)

    show_run(screen, runs / str(result["run"]), result)
    screen.say(f"Measure it: whet eval {result['run']}")
    screen.finish(result)
