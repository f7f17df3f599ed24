"""`whet runs`: list, show and compare what was done."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from whet.cli.completions import run_names
from whet.cli.options import RUNS, Json, RunName, Runs, options_first
from whet.errors import count

app = typer.Typer(invoke_without_command=True)


@app.callback()
def runs(context: typer.Context, runs: Runs = RUNS, json_: Json = False) -> None:
    """List, show and compare runs; without a verb of its own: list.

    Example: whet runs
    """
    if context.invoked_subcommand is None:
        listing(runs=runs, json_=json_)
    elif json_ or runs != RUNS:
        raise options_first("runs", context.invoked_subcommand)


@app.command("list")
def listing(runs: Runs = RUNS, json_: Json = False) -> None:
    """List the runs, newest first.

    Example: whet runs list
    """
    from rich.text import Text

    from whet.cli import render
    from whet.reports.lines import score
    from whet.store.index import list_runs
    from whet.text.numbers import told_metric

    screen = render.Screen(json_)
    found = list_runs(runs)
    if not found:
        screen.say(f"no runs in {runs}/ yet; make one with: whet tune DATA")
    rows = []
    for run in found:
        status = Text(run.status, style=render.STATUS_STYLE.get(run.status, ""))
        scores = (score(run.base_score, run.scale), score(run.tuned_score, run.scale), run.verdict)
        metric = told_metric(run.metric or "-")
        rows.append((run.name, status, run.created, run.method, run.base, metric, *scores))
    if rows:
        head = ["run", "status", "created", "method", "base model", "metric", "#base", "#tuned", "verdict"]
        screen.show(render.table(head, rows))
    for run in found:
        if run.problem:
            screen.say(f"{run.name}: {run.problem}", style="red")
    screen.finish({"runs": found})


@app.command("show")
def show(run: RunName, runs: Runs = RUNS, json_: Json = False) -> None:
    """Show one run: its recipe, what was chosen and why, and its result.

    Example: whet runs show tickets-1a2b3c4d
    """
    from whet.cli import render
    from whet.recipe.load import dump_recipe
    from whet.store.registry import find_run

    screen = render.Screen(json_)
    found = find_run(run, runs)
    facts: dict[str, Any] = {"run": found.name, "status": found.status, "recipe": found.recipe}
    for name in ("choices", "ledger", "evaluation", "environment"):
        facts[name] = found.read_json(f"{name}.json") if (found.folder / f"{name}.json").exists() else None
    screen.say(f"{found.name}  {found.status}  {found.folder}", style="bold")
    screen.say(dump_recipe(found.recipe))
    if facts["choices"]:
        screen.show(render.choices(facts["choices"]))
        screen.say("")
    render.result(screen, facts["evaluation"] or {"ledger": facts["ledger"]})
    screen.finish(facts)


@app.command("diff")
def diff(
    run: RunName,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Another run.", autocompletion=run_names)],
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Show what differs between two runs: recipe, environment, and scores.

    Example: whet runs diff tickets-1a2b3c4d tickets-5e6f7a8b
    """
    from whet.cli import render
    from whet.store.registry import find_run

    screen = render.Screen(json_)
    first, second = (all_facts(find_run(name, runs)) for name in (run, other))
    keys = sorted(first.keys() | second.keys())
    changed = {key: [first.get(key), second.get(key)] for key in keys if first.get(key) != second.get(key)}
    if changed:
        screen.show(render.table(["key", run, other], [(key, *pair) for key, pair in changed.items()]))
    else:
        screen.say("the two runs do not differ in recipe, environment or scores")
    screen.finish({"runs": [run, other], "changed": changed})


@app.command("rm")
def remove(
    names: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Names or folders of runs; see: whet runs.", autocompletion=run_names),
    ],
    force: Annotated[bool, typer.Option("--force", help="Also one whose model is in use.")] = False,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Remove runs with all that they hold: model, checkpoints, report. The data is not touched.

    A run that is at work is refused, and so is one whose model is in use (whet models), unless --force is given. Where
    one of several is refused, none is removed.

    Example: whet runs rm tickets-1a2b3c4d
    """
    from whet.cli import render
    from whet.store.removal import remove_runs

    screen = render.Screen(json_)
    freed = remove_runs(names, runs, force)
    for name, size in freed.items():
        screen.say(f"{name} is removed: {size / 1e6:,.1f} MB")
    screen.finish({"removed": list(freed), "bytes": sum(freed.values())})


@app.command("prune")
def prune(
    days: Annotated[float, typer.Option(min=0.0, metavar="N", help="Keep what was written in the last N days.")] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only listed.")] = False,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """List the runs that nothing holds on to, and remove them with --yes.

    A run stays that is at work, that you named, whose model is in use or was, that is the best on its data, or that the
    recipe of one that stays names.

    Example: whet runs prune --days 30
    """
    from whet.cli import render
    from whet.store.atomic import remove
    from whet.store.pruning import sort_out
    from whet.store.removal import remove_runs

    screen = render.Screen(json_)
    found = sort_out(runs, days)
    if found.going:
        rows = [(one.name, one.status, f"{one.days:.0f}", f"{one.bytes / 1e6:,.1f} MB") for one in found.going]
        screen.show(render.table(["would go", "status", "#days old", "#size"], rows))
    if found.kept:
        screen.show(render.table(["stays", "why"], list(found.kept.items())))
    size = sum(one.bytes for one in found.going) + sum(path.stat().st_size for path in found.given)
    loose = f", and {count(len(found.given), 'file')} of given rows that no run names" if found.given else ""
    if not found.going and not found.given:
        screen.say("nothing to remove")
    elif yes:
        remove_runs([str(runs / one.name) for one in found.going], runs)
        for path in found.given:
            remove(path)
        screen.say(f"removed {count(len(found.going), 'run')}{loose}: {size / 1e6:,.1f} MB")
    else:
        screen.say(f"nothing was removed; --yes removes {count(len(found.going), 'run')}{loose}: {size / 1e6:,.1f} MB")
    screen.finish(
        {
            "removed": [one.name for one in found.going] if yes else [],
            "would_go": found.going,
            "kept": found.kept,
            "given": found.given,
            "bytes": size,
        }
    )


def all_facts(run: Any) -> dict[str, Any]:
    """Recipe, data, environment and scores of a run under dotted keys."""
    from whet.store.identity import flat

    facts = {"recipe": run.recipe.model_dump(), "data_sha256": run.read_json("run.json").get("data_sha256")}
    if (run.folder / "environment.json").exists():
        facts["environment"] = run.read_json("environment.json")
    if (run.folder / "evaluation.json").exists():
        evaluation = run.read_json("evaluation.json")
        facts |= {key: evaluation.get(key) for key in ("metric", "base", "tuned", "difference", "verdict", "seconds")}
    return flat(facts)
