"""`whet flywheel`: which workloads of a big model's log a small one can do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whet.cli.importing import STARTING, without_garbage_collection
from whet.cli.options import RUNS, Json, OutRuns, Set
from whet.errors import count

SHOWN = 70
"""Letters of a system prompt in the list."""
Logs = Annotated[list[Path], typer.Argument(metavar="LOGS", help="Logs of requests with their answers, of any server.")]
Base = Annotated[str, typer.Option("--base", metavar="NAME", help="The small model: nano, a folder, or a Hub name.")]
Agreement = Annotated[
    float, typer.Option("--agreement", metavar="SHARE", help="Share of answers that must be the big model's.")
]
Most = Annotated[int, typer.Option("--most", metavar="ROWS", help="Rows of a workload, at most.")]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="ID", help="This workload alone; may be repeated.")]
Listed = Annotated[bool, typer.Option("--workloads", help="Only list the workloads.")]
Planned = Annotated[bool, typer.Option("--plan", help="Only say what each would need, in time and memory.")]
PriceIn = Annotated[
    float | None,
    typer.Option("--price-in", metavar="USD", help="Of the big model, for a million tokens of prompts."),
]
PriceOut = Annotated[float | None, typer.Option("--price-out", metavar="USD", help="The same for tokens of answers.")]
Machine = Annotated[
    float, typer.Option("--machine-usd-per-hour", metavar="USD", help="Of the machine that the small one runs on.")
]
Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Requests to this name alone; default: all.")
]


def flywheel(
    logs: Logs,
    base: Base = "nano",
    agreement: Agreement = 0.9,
    most: Most = 2000,
    only: Only = None,
    workloads: Listed = False,
    plan: Planned = False,
    price_in: PriceIn = None,
    price_out: PriceOut = None,
    machine_usd_per_hour: Machine = 0.10,
    model: Model = None,
    set_: Set = None,
    runs: OutRuns = RUNS,
    json_: Json = False,
) -> None:
    """Find what a big model is asked again and again, and whether a small one is enough for it.

    The requests of a log are grouped by system prompt and tools, cleaned, and split by time. The small base as it is,
    with a prompt, with examples, and tuned on the log answer the latest requests; what agrees with the big model's
    answers is enough. The same command again goes on where it stopped.

    Example: whet flywheel requests.jsonl --price-in 2.5 --price-out 10
    """
    from whet.cli.progress import watching
    from whet.cli.render import Screen
    from whet.recipe.load import split_override

    screen = Screen(json_)
    with watching(STARTING) as watch:
        with without_garbage_collection():
            from whet import api

        result = api.flywheel(
            logs,
            base=base,
            agreement=agreement,
            most=most,
            only=only,
            workloads=workloads,
            plan=plan,
            price_in=price_in,
            price_out=price_out,
            machine_usd_per_hour=machine_usd_per_hour,
            model=model,
            run_root=runs,
            observer=watch,
            **dict(map(split_override, set_ or [])),
        )
    show(screen, result)
    screen.finish(result)


def show(screen: Any, result: dict[str, Any]) -> None:
    log = result["log"]
    span = f", {log['from']} to {log['until']}" if log["from"] else ""
    screen.say(f"{count(log['requests'], 'request')}{span}", "dim")
    if log["unread"]:
        screen.say(f"{count(log['unread'], 'record')} could not be read; the first: {log['first_unread']}", "yellow")
    if len(log["models"]) > 1:
        told = ", ".join(f"{name} {number:,}" for name, number in log["models"].items())
        screen.say(f"Requests to several models are taken together ({told}); --model takes one.", "yellow")

    screen.show(_list_of(result["workloads"]))
    for entry in result["workloads"]:
        _show_workload(screen, entry, result)
    if "sentence" in result:
        screen.say("")
        screen.say(result["sentence"], "bold")


def _list_of(entries: list[dict[str, Any]]) -> Any:
    from whet.cli import render
    from whet.text.normalise import one_line

    rows = []
    for entry in entries:
        words = one_line(entry["system"] or entry["label"] or "(no system prompt)")
        if entry["tools"]:
            words += f" [{', '.join(entry['tools'])}]"
        usd, seconds = entry["usd"], entry["seconds"]["p50"]
        rows.append(
            (
                entry["id"],
                entry["requests"],
                f"{100 * entry['share']:.0f}%",
                None if entry["tokens_in"] is None else round(entry["tokens_in"]),
                None if entry["tokens_out"] is None else round(entry["tokens_out"]),
                None if seconds is None else f"{seconds:.2f} s",
                None if usd is None else f"${usd:,.2f}",
                sum(entry["rows"].values()),
                words[:SHOWN],
            )
        )
    head = ["workload", "#requests", "#share", "#in", "#out", "#p50", "#cost", "#rows", "what it is told"]
    return render.table(head, rows, title="Workloads; tokens are means")


def _show_workload(screen: Any, entry: dict[str, Any], result: dict[str, Any]) -> None:
    screen.say("")
    screen.say(f"{entry['id']}: {entry['advice'] or 'to be compared'}", "bold")
    if entry["reason"]:
        screen.say(f"  {entry['reason']}")
    if entry["ordered_by"] == "lines":
        screen.say("  its requests have no times: the order of the lines is taken for that of time", "yellow")
    for why, number in entry["left_out"].items():
        screen.say(f"  {count(number, 'request')} left out: {why}", "dim")
    if entry["same_answer"] is not None:
        again = f"asked the same again ({count(entry['repeated'], 'prompt')}), the big model gave the same answer in"
        screen.say(f"  {again} {100 * entry['same_answer']:.0f}%", "dim")
    if entry["arms"]:
        screen.show(_ways_of(entry))
        screen.say(f"  run: {entry['run']}; the score is {entry['metric']}, agreement with the big model", "dim")
    if "plan" in entry:
        _show_plan(screen, entry["plan"])


def _show_plan(screen: Any, plan: dict[str, Any]) -> None:
    fits = "it fits" if plan["fits"] else "it does not fit"
    time = "" if plan["seconds"] is None else f", about {plan['seconds'] / 60:,.0f} minutes"
    screen.say(f"  {fits}: {plan['memory']['total'] / 1e9:.2f} of {plan['available'] / 1e9:.1f} GB{time}")


def _ways_of(entry: dict[str, Any]) -> Any:
    from whet.cli import render
    from whet.text.numbers import format_range, format_score

    rows = []
    for way in entry["arms"]:
        low, high = way["interval"]
        rows.append(
            (
                ("→ " if way["name"] == entry["way"] else "  ") + way["label"],
                format_score(way["score"], None),
                format_range(low, high, None),
                format_score(way["bad_end"], None),
                f"${way['usd_per_1000']:.4g}",
                f"{way['seconds_per_answer']:.3f} s",
            )
        )
    big = entry["usd_per_1000"], entry["seconds"]["p50"]
    rows.append(
        (
            "  the big model",
            "",
            "",
            "",
            None if big[0] is None else f"${big[0]:.4g}",
            None if big[1] is None else f"{big[1]:.3f} s",
        )
    )
    return render.table(["  way", "#agrees", "#95%", "#at least", "#per 1,000", "#time each"], rows)
