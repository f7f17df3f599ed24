"""`whet curve`: how the score grew with the training rows, and what twice as many would bring."""

from __future__ import annotations

from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, DataOrRecipe, Json, Name, OutRuns, Set
from whet.cli.recipe_flags import with_flags


@with_flags
def curve(data: DataOrRecipe, set_: Set = None, name: Name = None, runs: OutRuns = RUNS, json_: Json = False) -> None:
    """Tune on an eighth, a quarter, half and all training rows, and say what twice as many would likely bring.

    Four tunes, measured on the same test rows. A run that is there already is not made again.

    Example: whet curve tickets.jsonl
    """
    from whet.cli.progress import watching
    from whet.cli.render import Screen, table
    from whet.cli.requested_recipe import asked_recipe

    recipe = asked_recipe(data, set_)
    with without_garbage_collection():
        from whet import api

    screen = Screen(json_)
    with watching() as watch:
        facts = api.curve(recipe, run_root=runs, name=name, observer=watch)

    rows = [(f"{p['rows']:,}", *_percent(p), p["run"]) for p in facts["points"]]
    if facts["next"]:
        rows.append((f"{facts['next']['rows']:,}", *_percent(facts["next"]), "forecast"))

    screen.show(table(["#training rows", f"#{facts['metric']['name']}", "95% interval", "run"], rows))
    screen.say(facts["sentence"], style="bold")
    screen.say(f"Picture: {facts['picture']}")
    screen.finish(facts)


def _percent(point: dict[str, float]) -> tuple[str, str]:
    return f"{100 * point['score']:.1f}%", f"{100 * point['low']:.1f} to {100 * point['high']:.1f}"
