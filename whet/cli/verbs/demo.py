"""`whet demo`: the whole story on the bundled base, offline, in a minute or two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whet.cli.options import RUNS, Gate, Json, Runs, Set
from whet.text.normalise import one_line

if TYPE_CHECKING:
    from whet.cli.render import Screen


def demo(
    rows: Annotated[int, typer.Option(min=30, metavar="N", help="Rows of data to make.")] = 1500,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Another seed makes other data.")] = 0,
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the data is written.")] = Path("whet-demo"),
    runs: Runs = RUNS,
    set_: Set = None,
    gate: Gate = False,
    json_: Json = False,
) -> None:
    """Make data, tune the bundled base on it, and prove that it got better. Needs no network.

    Example: whet demo
    """
    from whet.cli.render import Screen
    from whet.cli.verbs import tune
    from whet.recipe.load import load_recipe
    from whet.verbs.demo import KEEP, write_demo_rows

    path, lines = write_demo_rows(rows, seed, folder)
    screen = Screen(json_)
    screen.say("A support desk wants its messages as strict JSON. One row of the data:", style="bold")
    screen.say(f"\n  {lines[0]['prompt']}\n  -> {lines[0]['completion']}\n")
    asked = " ".join(f"--set {key}" for key in KEEP)
    screen.say(f"{rows:,} such rows are now in {path}. This is what follows: whet tune {path} {asked}\n")
    recipe = load_recipe(path, [*KEEP, *(set_ or [])])
    result = tune.run_tune(screen, recipe, runs, None)
    samples(screen, runs / str(result["run"]) / "answers.jsonl")
    screen.say(f"\nTalk to it: whet chat {result['run']}        Your own data: whet tune your-data.jsonl")
    tune.end(screen, result, gate)


def samples(screen: Screen, path: Path) -> None:
    """Two held-out messages with what the base and the tuned model answered."""
    from whet.store.reading import read_lines

    for answer in read_lines(path)[:2]:
        if isinstance(answer["prompt"], str):
            prompt = answer["prompt"]
        else:
            prompt = answer["prompt"][-1]["content"]

        screen.say(f"\n{prompt}", style="bold")
        for who in ("base", "tuned"):
            words = one_line(str(answer[who]))
            if len(words) <= 160:
                shown = words
            else:
                shown = words[:160] + "..."
            screen.say(f"  {who:<6}{shown}", style="dim" if who == "base" else "green")
