"""Verbs of `whet models` that try a version beside the live one: canary, shadow, ab, traffic, end."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from whet.cli.options import RUNS, Json, ModelName, Runs, Version

Share = Annotated[float | None, typer.Option("--share", metavar="S", help="Of the clients, from 0 to 1; 0.2 is 20%.")]


def add_to(app: typer.Typer) -> None:
    for verb in (canary, shadow, ab, traffic, end):
        app.command(verb.__name__)(verb)


def canary(name: ModelName, version: Version, share: Share = None, runs: Runs = RUNS, json_: Json = False) -> None:
    """Have a version answer a share of the clients who ask for a model (default: 0.1).

    One client always meets one version, and a larger share, given by the same command, only adds clients. A running
    service follows at its next request. What the version cannot answer the live one does.

    Example: whet models canary support-desk 3 --share 0.2
    """
    from whet.verbs.models import begin

    say_begun(begin("canary", name, version, share, runs), json_)


def shadow(name: ModelName, version: Version, share: Share = None, runs: Runs = RUNS, json_: Json = False) -> None:
    """Have a version answer the same requests, for its traces alone (default: of all clients).

    Nobody is told its answers, and no answer waits for them: under load some are left out, and counted.

    Example: whet models shadow support-desk 3
    """
    from whet.verbs.models import begin

    say_begun(begin("shadow", name, version, share, runs), json_)


def ab(name: ModelName, version: Version, share: Share = None, runs: Runs = RUNS, json_: Json = False) -> None:
    """Have a version answer a share of the clients (default: 0.5), and compare what is said of both.

    whet models traffic tells the state. At most one in twenty tests of versions that are alike ever decides for one of
    them, however often one looks.

    Example: whet models ab support-desk 3
    """
    from whet.verbs.models import begin

    say_begun(begin("ab", name, version, share, runs), json_)


def say_begun(done: Any, json_: bool) -> None:
    from whet.cli.render import Screen

    screen = Screen(json_)
    screen.say(done.title())
    for what, words in done.facts():
        if what == "note":
            screen.say(f"note: {words}", "yellow")
    name = done["name"]
    screen.say(f"its state: whet models traffic {name} --from SERVICE; to end it: whet models end {name}")
    screen.finish(done)


def traffic(
    name: ModelName,
    service: Annotated[
        str | None,
        typer.Option("--from", metavar="SERVICE", help="The folder of whet serve, or the URL of its database."),
    ] = None,
    project: Annotated[str, typer.Option("--project", metavar="NAME", help="Of the service.")] = "default",
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Show what is tried beside the live version of a model: requests, clients and feedback by version.

    Of an A/B test also the difference, how sure it is, and a word: better, worse, or go on. Look as often as you like.

    Example: whet models traffic support-desk --from service
    """
    from whet.cli import render
    from whet.verbs.models import traffic as look

    state = look(name, None, runs)
    if service is not None and state["trial"] is not None:
        from whet.cli.verbs.service.serve import parts_installed

        with parts_installed():
            from whet.server.traffic.opening import open_seen
        state = look(name, open_seen(service, state["trial"]["id"], project), runs)

    screen = render.Screen(json_)
    screen.say(state.title(), style="bold")
    if table := state.table():
        head, rows = table
        screen.show(render.table([head[0], *(f"#{column}" for column in head[1:-1]), head[-1]], rows))
    for what, words in state.facts():
        screen.say(f"{what}: {words}")
    screen.finish(state)


def end(name: ModelName, runs: Runs = RUNS, json_: Json = False) -> None:
    """End canary, shadow or A/B test: the live version answers everybody.

    Example: whet models end support-desk
    """
    from whet.cli.render import Screen
    from whet.verbs.models import end

    done = end(name, runs)
    screen = Screen(json_)
    screen.say(f"{name}@{done['ended']['version']} is no longer tried; {name}@{done['current']} answers everybody")
    screen.finish(done)
