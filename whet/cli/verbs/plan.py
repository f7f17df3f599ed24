"""`whet plan`: memory by cause, time, and settings that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.cli.importing import without_garbage_collection
from whet.cli.options import DataOrRecipe, Json, Set, Trust
from whet.cli.recipe_flags import with_flags
from whet.errors import count
from whet.text.numbers import format_rough_duration

if TYPE_CHECKING:
    from whet.cli.render import Screen

CAUSES = {
    "weights": "the base's weights",
    "adapter": "the adapter's weights",
    "gradients": "gradients",
    "optimizer": "float32 originals and moments of what is trained",
    "activations": "what layers keep for the backward pass, and its working buffers",
    "logits": "one chunk of logits",
    "process": "the program itself",
    "generation": "what writing answers lays out: joined weights, keys and values",
    "runtime": "memory that lies idle, compiled kernels, the base's file while it is read",
}
PARTS = {
    "training": "preparing, training, validating, checkpoints",
    "evaluation": "likelihoods and answers of base and tuned",
    "opponents": "the base with a prompt and with examples (a guess, at most 30% of both)",
    "forgetting": "general text, distance from the base, skills",
    "keep": "the base's own samples, replay and KL",
}


@with_flags
def plan(
    data: DataOrRecipe,
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="Plan for so much memory, as in 24GB.")] = None,
    gpu: Annotated[str | None, typer.Option(metavar="NAME", help="Plan for this GPU, as in rtx-4090.")] = None,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Measure this machine anew.")] = False,
    set_: Set = None,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Say, before anything is loaded or trained, how much memory it needs, how long it takes, and what would fit.

    The base may be a public model by name (llama-2-7b, qwen2.5-7b, ...); neither weights nor network are needed then.
    Given the name of a run that is at work, the time follows from the steps that it has made.

    Example: whet plan tickets.jsonl --base llama-2-7b --memory 24GB
    """
    from whet.cli.progress import watching
    from whet.cli.render import Screen
    from whet.cli.requested_recipe import asked_recipe
    from whet.store.model_registry import is_run

    screen = Screen(json_)
    if is_run(data) and not set_:
        recipe = data
    else:
        recipe = asked_recipe(data, set_, planned=True)

    with without_garbage_collection():
        from whet import api

    with watching() as watch:
        result = api.plan(recipe, memory=memory, gpu=gpu, calibrate=calibrate, observer=watch)

    show(screen, result)
    screen.finish(result)


def show(screen: Screen, result: dict[str, Any]) -> None:
    from whet.cli.render import table

    settings, memory = result["settings"], result["memory"]
    trained = f"{result['trained']:,} of {result['parameters']:,} parameters trained"
    micro = f"micro-batches of {settings['micro_batch_tokens']:,} tokens, rows of up to {settings['longest_row']:,}"
    screen.say(f"{result['base']}: {trained}; {micro}; {settings['dtype']}", style="bold")
    rows = [(f"{memory[key] / 1e9:.2f} GB", words) for key, words in CAUSES.items() if memory[key]]
    rows.append((f"{memory['total'] / 1e9:.2f} GB", f"at most, reached at {result['moment']}"))
    screen.show(table(["#memory", "for"], rows))

    if result["fits"]:
        fits = "fits"
    else:
        fits = "does not fit"

    style = "green" if result["fits"] else "red"
    screen.say(f"It {fits} in {result['available'] / 1e9:.1f} GB (a tenth is kept free).", style=style)

    if result["time"] is not None:
        show_time(screen, result)
    if result["suggestion"] and not result["fits"]:
        screen.say(result["suggestion"]["sentence"])

    for note in result["notes"]:
        screen.say(f"Note: {note}", style="dim")


def show_time(screen: Screen, result: dict[str, Any]) -> None:
    """A table of parts, and one figure where steps were measured, else a range."""
    from whet.cli.render import table

    time, settings, seen = result["time"], result["settings"], result["measured_steps"]
    lines = [(format_rough_duration(time[key]), words) for key, words in PARTS.items() if time[key]]
    screen.show(table(["#time", "for"], lines))
    steps = f"{count(settings['steps'], 'step')} of {settings['batch_tokens']:,} tokens"

    if seen:
        total, pace = format_rough_duration(time["total"]), count(seen, "step")
        screen.say(f"About {total} in all for {steps}, at the pace of {pace} made so far.")
    else:
        low, high = format_rough_duration(time["low"]), format_rough_duration(time["high"])
        screen.say(f"Between {low} and {high} for {steps}: no step was measured yet, so every part is a guess.")
