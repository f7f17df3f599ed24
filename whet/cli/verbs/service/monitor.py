"""`whet monitor`: does a model in use still fit those who ask it?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from whet.cli.completions import talkers
from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, Runs
from whet.cli.verbs.service.serve import parts_installed
from whet.errors import InputError, count

MOST = 10_000_000
SHOWN = 3
"""Alarms that are over."""

InUse = Annotated[
    str, typer.Argument(metavar="MODEL", help="The run or named model that is in use.", autocompletion=talkers)
]
Requests = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="FILE-or-SERVICE",
        help="Its requests: a log of any server, or the folder of whet serve (or the URL of its database).",
    ),
]
ServedAs = Annotated[
    str | None, typer.Option("--served-as", metavar="NAME", help="Requests to this name alone; default: all.")
]
Known = Annotated[
    Path | None,
    typer.Option("--known", metavar="FILE", help="Prompts it was trained on; default: those of its own data."),
]
Project = Annotated[str | None, typer.Option("--project", metavar="NAME", help="Of the service; default: default.")]
Newest = Annotated[
    int | None,
    typer.Option(
        "--newest",
        metavar="N",
        help="Of the service, its last requests; default: all that whet watch has seen, else 10,000.",
    ),
]


def monitor(
    model: InUse,
    log: Requests,
    served_as: ServedAs = None,
    known: Known = None,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", metavar="FILE", help="Write what people said of answers into it, as rows."),
    ] = None,
    project: Project = None,
    newest: Newest = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="FOLDER", help="Of whet watch, where one was named there.")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 3 where there is an alarm.")] = False,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Look at the requests to a model in use: have prompts, answers, feedback, scores or times changed, and what to do.

    Of all models that nothing has changed for, at most 5% ever get a false alarm of a question, however often one
    looks at a log that only grows.

    Example: whet monitor tickets --from requests.jsonl
    """
    with without_garbage_collection():
        from whet import api
    from whet.cli.progress import watching
    from whet.cli.render import Screen

    screen, asked = Screen(json_), requests_of(log, project)
    refuse_of_a_service(asked, newest, state)
    with watching() as watch:
        result = api.monitor(model, asked, served_as, known, rows, state, newest, run_root=runs, observer=watch)
    say(screen, result)
    screen.finish(result)
    if gate and result["alarms"]:
        raise typer.Exit(3)


def requests_of(log: str, project: str | None) -> Any:
    """The path of a log, or the traces of a service. Raises InputError for a project of a log."""
    if not Path(log).is_dir() and "://" not in log:
        if project is not None:
            fix = "leave it out, or give the folder of a service"
            raise InputError("a log has no projects", where="--project", value=project, fix=fix)
        return log
    with parts_installed():
        from whet.server.traces.opening import ServiceSource
    return ServiceSource(log, project or "default")


def refuse_of_a_service(asked: Any, newest: int | None, state: Path | None) -> None:
    """Raises InputError for options that say nothing of a log, or nothing together."""
    if newest is not None and isinstance(asked, str):
        what, fix = "a log is looked at whole", "leave it out, or give the folder of a service"
        raise InputError(what, where="--newest", value=newest, fix=fix)
    if newest is not None and not 1 <= newest <= MOST:
        raise InputError(f"a number from 1 to {MOST:,} is needed", where="--newest", value=newest, fix="such as 10000")
    if state is not None and (newest is not None or isinstance(asked, str)):
        what = "a state holds all requests of a service that were watched"
        fix = "leave out --newest" if newest is not None else "give the folder of the service, or leave it out"
        raise InputError(what, where="--state", value=str(state), fix=fix)


def say(screen: Any, result: dict[str, Any]) -> None:
    looked = result["looked_at"]
    span = f", {looked['from']} to {looked['until']}" if looked["from"] else ""
    screen.say(f"{count(result['traces'], 'request')}{span}", "dim")
    if looked.get("state_unused"):
        screen.say(looked["state_unused"], "yellow")
    if looked["unread"]:
        screen.say(
            f"{count(looked['unread'], 'record')} could not be read; the first: {looked['first_unread']}", "yellow"
        )

    alarmed = {alarm["question"] for alarm in result["alarms"]}
    joined = {other["question"]: alarm["question"] for alarm in result["alarms"] for other in alarm["also"]}
    for alarm in result["alarms"]:
        since = alarm["since"]
        screen.say(f"\nAlarm: {alarm['sentence']}", "bold red")
        screen.say(f"  since {since['at'] or since['where']} ({since['where']}); id: {alarm['id']}")
        for other in alarm["also"]:
            screen.say(f"  of the same cause: {other['sentence']}")
        for example in alarm["examples"]:
            screen.say(f"  {example['where']}: {example['asked'] or example['answer']}", "dim")
        screen.say(f"  to do: {alarm['suggestion']}, because {alarm['reason']}")

    if result["alarms"]:
        screen.say("")
    for name, question in looked["questions"].items():
        if name not in alarmed and name not in joined:
            screen.say(f"{question['asks']} {question['sentence']}")
    if not result["alarms"]:
        screen.say("No alarm.", "bold")
    for over in result["closed"][-SHOWN:]:
        why = f" ({over['why']})" if over["why"] else ""
        screen.say(f"{over['how']}{why}: {over['alarm']['sentence']}", "dim")
    if "feedback" in result:
        said = result["feedback"]
        where = said["file"] or "no file is written"
        screen.say(f"{count(said['rows'], 'row')} of {said['form']} from what people said: {where}")
        for why, traces in Counter(left["why"] for left in said["left_out"]).items():
            screen.say(f"  {count(traces, 'trace')} left out: {why}", "dim")
