"""`whet rebase`: the same recipe and data on another base."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from whet.cli.completions import talkers
from whet.cli.importing import STARTING, without_garbage_collection
from whet.cli.options import RUNS, Json, Runs


def rebase(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The named model that is in use.", autocompletion=talkers)
    ],
    base: Annotated[
        str, typer.Option("--base", metavar="BASE", help="The new one: a folder, a GGUF file, or a Hub name.")
    ],
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Tune the recipe and data of a model in use on another base, compare the two, and say whether to change.

    Adapters are trained again. What is compared: the task on the same test rows, tokens of a prompt, seconds of an
    answer, memory, and what each lost against its own base. The same command again goes on.

    Example: whet rebase tickets --base models/newer
    """
    from whet.cli.progress import watching
    from whet.cli.render import Screen

    screen = Screen(json_)
    with watching(STARTING) as watch:
        with without_garbage_collection():
            from whet import api
        result = api.rebase(model, base, run_root=runs, observer=watch)
    say(screen, result)
    screen.finish(result)


def say(screen: Any, result: dict[str, Any]) -> None:
    from whet.cli.render import table
    from whet.cli.verbs.upkeep.retrain import say_end
    from whet.text.numbers import format_score

    costs, against = result["cost"], result["against_live"]
    part = against["old"]
    scale = part["difference"]["scale"]
    rows = [(label, *(_cell(costs[side][key]) for side in ("live", "next"))) for key, label in COSTS.items()]
    rows.insert(1, (against["metric"], format_score(part["live"], scale), format_score(part["candidate"], scale)))
    for side in ("live", "next"):
        if result["forgetting"][side] is not None:
            lost = result["forgetting"][side]
            whose = "the live version" if side == "live" else "the next one"
            screen.say(f"Elsewhere, {whose} against its own base: {lost['word']}.", "dim")
    screen.show(table(["", "#live", "#next"], rows, title=f"{result['test_rows']['shared']} test rows of both"))
    screen.say(against["sentence"])
    screen.say(result["recommendation"]["sentence"], "bold")
    say_end(screen, result)


COSTS = {
    "base": "base",
    "parameters": "parameters",
    "weight_bytes": "bytes of weights",
    "prompt_tokens": "tokens of a prompt",
    "seconds_per_answer": "seconds of an answer",
    "training_seconds": "seconds of training",
}


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"
