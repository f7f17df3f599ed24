"""`whet retrain`: the next version of a model in use, held against the live one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from whet.cli.completions import talkers
from whet.cli.importing import STARTING, without_garbage_collection
from whet.cli.options import RUNS, Json, Runs
from whet.cli.verbs.service.monitor import Project, ServedAs, refuse_of_a_service, requests_of
from whet.errors import count

if TYPE_CHECKING:
    from whet.retraining.starts import Asked

SHOWN = 5
"""Contradictions that are shown."""


def retrain(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The named model that is in use.", autocompletion=talkers)
    ],
    log: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="LOG-or-SERVICE",
            help="Its requests: corrections become rows, and alarms are told; as for whet monitor.",
        ),
    ] = None,
    rows: Annotated[
        list[Path] | None,
        typer.Option("--rows", metavar="FILE", help="New rows to learn from; may be repeated."),
    ] = None,
    start: Annotated[
        str,
        typer.Option("--start", metavar="auto|warm|base", help="Where it begins; auto: what validation rows prefer."),
    ] = "auto",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Make it live where it is better and nothing was lost.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Train again though nothing is new.")] = False,
    served_as: ServedAs = None,
    project: Project = None,
    newest: Annotated[
        int | None, typer.Option("--newest", metavar="N", help="Of the service, its last requests; default: 10,000.")
    ] = None,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Tune the next version of a model in use from what is new, and hold it against the live version.

    New are rows of its data files that were added or changed, rows of --rows, and what people corrected in --from. Its
    test rows stay test rows, and a part of the new rows is held out, too. The same command again goes on.

    Example: whet retrain tickets --from service --promote
    """
    from whet.cli.progress import watching
    from whet.cli.render import Screen

    screen = Screen(json_)
    asked = None if log is None else requests_of(log, project)
    refuse_of_a_service(asked, newest, None)
    with watching(STARTING) as watch:
        with without_garbage_collection():
            from whet import api
        result = api.retrain(
            model,
            asked,
            rows or (),
            cast("Asked", start),
            plan,
            promote,
            force,
            served_as,
            newest,
            run_root=runs,
            observer=watch,
        )
    say(screen, result)
    screen.finish(result)


def say(screen: Any, result: dict[str, Any]) -> None:
    say_changed(screen, result)
    say_data(screen, result["data"], begun=bool(result["starts"]))
    for one in result["starts"]:
        mark = "→ " if one.get("chosen") else "  "
        score = "" if one.get("score") is None else f", {one['metric']} {one['score']:.4g} on validation rows"
        why = f": {one['why']}" if one["why"] else ""
        screen.say(f"{mark}from {'the base' if one['start'] == 'base' else 'the live version'}{score}{why}")

    if result.get("plan"):
        from whet.cli.verbs.plan import show_time

        fits = "fits" if result["plan"]["fits"] else "does not fit"
        screen.say(f"Each tune {fits} here, with at most {result['plan']['memory']['total'] / 1e9:.2f} GB.")
        if result["plan"]["time"] is not None:
            show_time(screen, result["plan"])
    against = result.get("against_live")
    if against:
        say_parts(screen, against)
    screen.say(result["sentence"], "bold")
    if result.get("version"):
        say_end(screen, result)


def say_changed(screen: Any, result: dict[str, Any]) -> None:
    changed, live = result["changed"], result["live"]
    rows = changed["rows"]
    screen.say(f"Since {live['name']}@{live['version']} (run {live['run']}) was tuned:", "bold")
    told = f"{rows['added']:,} added, {rows['changed']:,} changed, {rows['removed']:,} removed"
    screen.say(f"  its data files: {told}; other files: {count(rows['from_files'], 'new row')}")
    if changed["feedback"]:
        said = changed["feedback"]
        screen.say(f"  what people said: {count(said['new'], 'new row')} of {said['form']}")
        for why, traces in said["left_out"].items():
            screen.say(f"    {count(traces, 'trace')} left out: {why}", "dim")
    for alarm in changed["alarms"]:
        screen.say(f"  alarm: {alarm['sentence']} (to do: {alarm['suggestion']})", "yellow")
    same = "the same, bit for bit" if changed["base"]["same"] else "changed"
    screen.say(f"  its base {changed['base']['name']}: {same}")


def say_data(screen: Any, data: dict[str, Any], begun: bool) -> None:
    """`begun`: whether any of it will be learned."""
    if begun:
        screen.say(
            f"To learn: {count(data['old'], 'old row')}, {count(data['new'], 'new one')}. To be tested on: "
            f"{count(data['old_test'], 'old row')}, {count(data['fresh_test'], 'fresh one')}."
        )
    for why, number in Counter(one["why"] for one in data["left_out"]).items():
        screen.say(f"  {count(number, 'row')} left out: {why}", "dim")
    if data["contradicted"]:
        screen.say(f"  {count(len(data['contradicted']), 'row')} contradicted by a newer one, which wins:", "yellow")
    for one in data["contradicted"][:SHOWN]:
        screen.say(f"    {one['old']}: {one['old_answer']} -> {one['new']}: {one['new_answer']}", "dim")


def say_parts(screen: Any, against: dict[str, Any]) -> None:
    from whet.cli.render import table
    from whet.text.numbers import format_change, format_change_range, format_score

    rows = []
    for name, label in (("old", "old test rows"), ("fresh", "fresh test rows")):
        part = against[name]
        if part is None:
            continue
        difference = part["difference"]
        scale = difference["scale"]
        span = format_change_range(difference["low"], difference["high"], scale)
        scores = (format_score(part["live"], scale), format_score(part["candidate"], scale))
        change = format_change(difference["estimate"], scale)
        rows.append((label, part["rows"], *scores, f"{change} ({span})", f"{format_change(-part['margin'], scale)}"))
    columns = ["", "#rows", "#live", "#next", "#difference (95%)", "#margin"]
    screen.show(table(columns, rows, title=against["metric"]))
    for whom, facts in against["forgetting"].items():
        if facts is not None:
            whose = "the live version" if whom == "live" else "the base"
            screen.say(f"Elsewhere, against {whose}: {facts['word']}.", "dim")


def say_end(screen: Any, result: dict[str, Any]) -> None:
    named = f"{result['live']['name']}@{result['version']}"
    promoted = result["promoted"]
    if promoted["done"]:
        screen.say(f"{named} is live.", "green")
    elif promoted["command"]:
        screen.say(f"{named} is a candidate. To make it live: {promoted['command']}")
    else:
        screen.say(f"{named} stays a candidate: {promoted['why']}.")
    screen.say(f"Report: {result['report']}")
