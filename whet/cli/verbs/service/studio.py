"""`whet studio`: the same things as pages in a browser, on this machine alone."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from whet.cli.importing import without_garbage_collection
from whet.cli.options import Json
from whet.cli.verbs.service.serve import HOME, Home, parts_installed, server_room
from whet.errors import InputError


def studio(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="Bases, runs and named models to work with; default: nano."),
    ] = None,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="FOLDER", help="Runs of the command line, which are shown, too.")
    ] = Path("runs"),
    home: Home = HOME,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="0 takes a free one.")] = 8765,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the link, and open nothing.")] = False,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Let in everybody on this machine, without the link.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Runs that train at once.")] = 1,
    json_: Json = False,
) -> None:
    """Show data, runs, verdicts and models as pages in a browser, and work with them there. Ctrl-C stops.

    Example: whet studio
    """
    server = server_room()
    with parts_installed(), without_garbage_collection():
        from whet.server.settings import Settings
        from whet.web.studio import add_studio
    if runs.exists() and not runs.is_dir():
        raise InputError("this is no folder", where="--runs", value=str(runs), fix="name the folder of the runs")

    settings = Settings(
        home=home,
        port=port,
        auth=not no_auth,
        models=tuple(models or ["nano"]),
        runs=runs,
        workers=workers,
        traces="content",
    )
    entry = ""

    def dress(app: Any) -> None:
        nonlocal entry
        sessions = add_studio(app)
        entry = "" if no_auth else sessions.entry

    def announce(url: str, _: str | None) -> None:
        from whet.cli.render import Screen

        page = url.removesuffix("/v1") + (f"/login?entry={entry}" if entry else "/")
        screen = Screen(json_)
        screen.say(f"the studio is at {page}")
        if not no_auth:
            screen.say("the link lets in whoever has it: keep it to yourself")
        screen.finish({"url": page})
        if not no_browser and not json_:
            webbrowser.open(page)

    server.serve(settings, announce, api=False, dress=dress)
    print("stopped", file=sys.stderr)
