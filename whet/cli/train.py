"""`whet train`: trains, without the evaluation."""

from __future__ import annotations

from whet.cli.importing import STARTING, kept
from whet.cli.options import RUNS, AcceptChanged, DataOrRecipe, Json, Name, Runs, Set


def train(
    data: DataOrRecipe,
    set_: Set = None,
    name: Name = None,
    runs: Runs = RUNS,
    accept_changed: AcceptChanged = False,
    json_: Json = False,
) -> None:
    """Train only; measure later with `whet eval`. The same command again resumes.

    Example: whet train recipe.yaml --name tickets-a
    """
    from whet.cli.progress import observer
    from whet.cli.render import Screen
    from whet.cli.tune import show_run
    from whet.recipe.load import load_recipe

    screen = Screen(json_)
    recipe = load_recipe(data, set_ or [])
    watch = observer()
    watch.phase(STARTING)
    try:
        with kept():
            from whet import api

        result = api.train(recipe, run_root=runs, name=name, observer=watch, accept_changed=accept_changed)
    finally:
        watch.done()
    show_run(screen, runs / str(result["run"]), result)
    screen.say(f"Measure it: whet eval {result['run']}")
    screen.finish(result)
