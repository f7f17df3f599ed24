"""`whet import`: what others trained, checked and named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, Runs
from whet.cli.verbs.export import show_proof


def import_model(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An adapter or a model, in safetensors.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of the run and the model; default: the folder's.")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="BASE", help="What it was made from; an adapter may say it itself.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Take it though the proof failed; that is noted.")] = False,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Take in an adapter or weights that others trained, as a run and a named model of unknown lineage.

    It goes through the checks of our own models; then whet chat, export and prove take it like any other.

    Example: whet import downloads/their-adapter --name theirs
    """
    with without_garbage_collection():
        from whet import api
    from whet.cli.progress import watching
    from whet.cli.render import Screen

    screen = Screen(json_)
    with watching() as watch:
        result = api.import_model(folder, name, base, force, run_root=runs, observer=watch)
    for proof in result["proofs"]:
        show_proof(screen, proof)
    screen.say(f"Registered as {result['name']}@{result['version']}, lineage unknown. Proof: {result['page']}")
    screen.finish(result)
