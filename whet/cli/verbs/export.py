"""`whet export`: a tuned model in a form that others read, with its proof."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.cli.completions import talkers
from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, Runs, Trust

if TYPE_CHECKING:
    from whet.cli.render import Screen
    from whet.reports.proof_facts import ConsumerFacts


def export(
    model: Annotated[
        str, typer.Argument(metavar="RUN-or-MODEL", help="A run, or a named model.", autocompletion=talkers)
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="FORM", help="adapter, merged, vllm, gguf, ollama; docs/running/release.md.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where it goes; default: release/ in the run.")
    ] = None,
    type_: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Its numbers, such as bfloat16; default: as the model has them."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Release it though the proof failed; that is written down in it.")
    ] = False,
    create: Annotated[
        bool, typer.Option("--create", help="Hand it to Ollama (--to ollama), under the run's name.")
    ] = False,
    push: Annotated[
        str | None, typer.Option("--push", metavar="OWNER/NAME", help="Send it to the Hugging Face Hub, private.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="With --push: let all read it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --push: make it here, show files, sizes and card, and send nothing.")
    ] = False,
    runs: Runs = RUNS,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Write a tuned model in a form that others read, and prove through them that it is what was trained.

    A failed proof refuses the release, says what it looks like, and leaves nothing. The same command again replaces it.

    Example: whet export tickets-1a2b3c4d --to merged
    """
    with without_garbage_collection():
        from whet import api
    from whet.cli.progress import watching
    from whet.cli.render import Screen

    screen = Screen(json_)
    with watching() as watch:
        result = api.export(model, to, out, type_, force, runs, watch, create, push, public, dry_run)
    show(screen, result)
    screen.finish(result)


def show(screen: Screen, result: dict[str, Any]) -> None:
    for proof in result["proofs"]:
        show_proof(screen, proof)
    for note in result["notes"]:
        screen.say(note)
    if result["forced"]:
        screen.say("The proof failed, and it was released by force; release.json and the page say so.")
    screen.say(f"\nReleased: {result['folder']}")
    for consumer, text in result["commands"].items():
        screen.say(f"\nUse it with {consumer}:\n\n{text}")
    screen.say(f"Proof: {result['page']}")
    if pushed := result.get("pushed"):
        show_pushed(screen, pushed)


def show_pushed(screen: Screen, pushed: dict[str, Any]) -> None:
    """What went to the Hub, or would."""
    from whet.cli.render import table

    rows = [[file["name"], file["bytes"]] for file in pushed["files"]]
    screen.show(table(["file", "#bytes"], rows, title=f"\n{pushed['name']} on the Hub, {pushed['visibility']}"))
    if pushed["left_out"]:
        screen.say(f"Left out, because it quotes rows of the data: {', '.join(pushed['left_out'])}")
    elif any(file["name"] == "golden.json" for file in pushed["files"]):
        screen.say("golden.json quotes rows of the data; with --public it would be left out.")

    if pushed["url"]:
        screen.say(f"Pushed: {pushed['url']}")
    else:
        screen.say(f"\nIts card would say:\n\n{pushed['card']}\nNothing was sent.")


def show_proof(screen: Screen, proof: ConsumerFacts) -> None:
    """The numbers of one consumer in a table."""
    from whet.cli.render import table
    from whet.reports.proof_page import numbers

    sheet = numbers(proof)
    if sheet is not None:
        rows = [[cell.text for cell in row] for row in sheet.rows]
        screen.show(table(sheet.columns, rows, title=f"through {proof['consumer']}"))
    for fault in proof["faults"]:
        screen.say(f"{fault['name']}: {fault['looks_like']} What to do: {fault['fix']}.")
