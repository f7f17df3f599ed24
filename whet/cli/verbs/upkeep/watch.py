"""`whet watch`: a pass over the requests to a model in use, for a timer."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, Runs
from whet.cli.verbs.service.monitor import InUse, Known, Project, Requests, ServedAs, requests_of, say
from whet.errors import InputError, RunError, count

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def watch(
    model: InUse,
    log: Requests,
    served_as: ServedAs = None,
    known: Known = None,
    project: Project = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="FOLDER", help="What it knows; default: with the service, else with the run."),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", metavar="URL", help="Gets a JSON message of each new cause, and of its end."),
    ] = None,
    content: Annotated[bool, typer.Option("--content", help="What people wrote goes into the messages.")] = False,
    prometheus: Annotated[
        Path | None, typer.Option("--prometheus", metavar="FILE", help="Numbers for node_exporter (FILE.prom).")
    ] = None,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="TIME", help="Look again after so long (30s, 5m, 1h); default: look once."),
    ] = None,
    acknowledge: Annotated[
        str | None,
        typer.Option("--acknowledge", metavar="ALARM", help="End this alarm: what was new is known from here on."),
    ] = None,
    why: Annotated[
        str | None, typer.Option("--why", metavar="TEXT", help="Kept with the alarm that is acknowledged.")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 3 where there is an alarm.")] = False,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Look at what was asked of a model in use since the last look, and tell of each new cause once: for a timer.

    A pass that is killed is made good by the next; of two at once, the second does nothing. A secret in
    WHET_WEBHOOK_SECRET signs the messages.

    Example: whet watch tickets --from service --webhook https://example.org/alarms
    """
    with without_garbage_collection():
        from whet import api
    from whet.cli.progress import watching
    from whet.cli.render import Screen

    seconds = None if every is None else seconds_of(every)
    if seconds is not None and (acknowledge is not None or gate):
        what = "a look that is repeated has no end to tell of"
        raise InputError(what, where="--every", value=every, fix="leave it out, or --gate and --acknowledge")
    screen, asked = Screen(json_), requests_of(log, project)
    given = {"served_as": served_as, "known": known, "state": state, "webhook": webhook, "prometheus": prometheus}
    given |= {"content": content, "acknowledge": acknowledge, "why": why, "run_root": runs}
    while True:
        try:
            with watching() as observer:
                result = api.watch(model, asked, **given, observer=observer)
        except RunError as error:
            if seconds is None:
                raise
            print(f"whet: {error}", file=sys.stderr, flush=True)  # the next look may go well
        else:
            say_pass(screen, result)
            screen.finish(result)
            if seconds is None:
                break
        time.sleep(seconds)
    if gate and result["alarms"]:
        raise typer.Exit(3)
    if result.get("undelivered"):
        raise typer.Exit(1)


def say_pass(screen: Any, result: dict[str, Any]) -> None:
    if result["busy"]:
        screen.say("another pass is at work: nothing was done")
        return
    say(screen, result)
    screen.say(f"{count(result['new_traces'], 'request')} since the last look; state: {result['state']}", "dim")
    if result["undelivered"]:
        waiting = count(result["undelivered"], "message")
        why = f" ({result['trouble']})" if result["trouble"] else ""
        screen.say(f"{waiting} not taken yet{why}: sent again at a later look", "yellow")


def seconds_of(every: str) -> float:
    """Raises InputError for what is no time."""
    told = re.fullmatch(r"(\d+)([smhd])", every.strip())
    if told is None or int(told[1]) == 0:
        raise InputError("this is no time", where="--every", value=every, fix="write 30s, 5m, 1h or 1d")
    return int(told[1]) * UNITS[told[2]]
