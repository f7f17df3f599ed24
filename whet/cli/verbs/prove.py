"""`whet prove`: is what is served what was trained?"""

from __future__ import annotations

from typing import Annotated

import typer

from whet.cli.completions import talkers
from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, Runs, Trust
from whet.cli.verbs.export import show_proof


def prove(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="The folder of an export, or a run or named model.", autocompletion=talkers
        ),
    ],
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="A server with OpenAI's API that serves it.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Its name there; default: the first that is served.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="VARIABLE", help="Environment variable that holds the server's key.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="BASE", help="What an exported adapter lies over; default: as its run has it."),
    ] = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Ask the golden prompts of a run again: of its exports, or of a server. What answers must be what was trained.

    Exit code 1 where it is not; the message and the page say what it looks like, and what to do.

    Example: whet prove tickets-1a2b3c4d --url http://localhost:8000/v1
    """
    with without_garbage_collection():
        from whet import api
    from whet.cli.progress import watching
    from whet.cli.render import Screen

    screen = Screen(json_)
    with watching() as watch:
        result = api.prove(model, url, name, key, run_root=runs, observer=watch, base=base)
    for one in result["exports"]:
        screen.say(f"{one['form']}: {one['folder']}")
        for proof in one["proofs"]:
            show_proof(screen, proof)
        screen.say(f"Proof: {one['page']}\n")
    screen.say("It is what was trained.")
    screen.finish(result)
