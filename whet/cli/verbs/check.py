"""`whet check`: what is wrong with the data, and what its test rows can prove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, Runs, Set
from whet.cli.recipe_flags import with_flags
from whet.errors import InputError, count

if TYPE_CHECKING:
    from whet.cli.render import Screen
    from whet.recipe.load import Override

REFUSED = 2
"""The exit code where a tune would refuse the data: it has the same."""
STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}


@with_flags
def check(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="A data file or folder, a set on the Hub, or a recipe.")
    ] = None,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="CODE", help="The page of one check, instead of checking.")
    ] = None,
    fix: Annotated[
        str | None,
        typer.Option("--fix", metavar="OUT.jsonl", help="Write a repaired copy of the rows, and a diff."),
    ] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="CODE,...", help="These checks alone.")] = None,
    skip: Annotated[str | None, typer.Option("--skip", metavar="CODE,...", help="All checks but these.")] = None,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="FILE", help="A benchmark that the data must not hold; may come often."),
    ] = None,
    set_: Set = None,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Say what is wrong with the data, where every row would go, and how small a gain its test rows could show.

    Nothing is trained, and the data itself is never changed: --fix writes a new file and a diff beside it. Where a tune
    would refuse the data, it says so and ends with exit code 2 (not with --fix).

    Example: whet check pairs.jsonl
    """
    from whet.cli.render import Screen

    screen = Screen(json_)
    if explain is not None:
        from whet.doctor.check_registry import explain as page

        text = page(explain)
        screen.say(text)
        screen.finish({"code": explain, "page": text})
    elif data is None:
        raise InputError("no data is named", fix="as in: whet check pairs.jsonl")
    else:
        chosen = {"only": codes(only, "--only"), "skip": codes(skip, "--skip"), "against": against or []}
        result = examined(data, set_ or [], fix=fix, run_root=runs, **chosen)
        show(screen, result)
        screen.finish(result)

        if result["refused"] and fix is None:
            raise typer.Exit(REFUSED)


def codes(text: str | None, option: str) -> list[str]:
    """The codes of an option that was given, at least one; none where it was not given."""
    names = [code.strip() for code in (text or "").split(",") if code.strip()]
    if text is not None and not names:
        raise InputError("no check is named", where=option, value=text, fix=f"as in: {option} mojibake,html")
    return names


def examined(data: str, overrides: Sequence[Override], **chosen: Any) -> dict[str, Any]:
    from whet.cli.progress import watching
    from whet.cli.requested_recipe import asked_recipe

    recipe = asked_recipe(data, overrides)
    with without_garbage_collection():
        from whet import api

    with watching() as watch:
        return api.check(recipe, observer=watch, **chosen)


def show(screen: Screen, result: dict[str, Any]) -> None:
    from whet.cli import render
    from whet.evaluation.goal import format_provable

    screen.say(count(result["rows"], f"{result['kind']} row"), style="bold")
    screen.show(render.ledger(result["ledger"]))
    screen.say("")

    if result["refused"]:
        screen.say(f"error  whet tune will refuse this data: {refusal(result['refused'])}", style=STYLES["error"])
        screen.say(f"  fix: {result['refused']['fix']}")

    for finding in result["findings"]:
        screen.say(f"{finding['severity']}  {finding['code']}: {finding['message']}", style=STYLES[finding["severity"]])
        screen.say(f"  fix: {remedy(finding, result.get('fixed'))}  (whet check --explain {finding['code']})")

    if not result["findings"] and not result["refused"]:
        screen.say("No check found anything.", style="green")

    for benchmark in result["against"]:
        if not benchmark["held"]:
            screen.say(format_benchmark(benchmark))

    if "test-power" not in {finding["code"] for finding in result["findings"]}:
        screen.say(f"{result['power']['sentence']}.")
    for line in [*format_provable(result["power"].get("goal", [])), *result["notes"]]:
        screen.say(line)

    screen.say(more_rows(result["curve"]))
    if "fixed" in result:
        for line in format_repair(result["fixed"]):
            screen.say(line)


def refusal(refused: dict[str, str]) -> str:
    """With its place, as the error itself has it."""
    if refused["where"]:
        return f"{refused['where']}: {refused['what']}"
    return refused["what"]


def remedy(finding: dict[str, Any], fixed: dict[str, Any] | None) -> str:
    """What to do; where --fix was given and did it, where the result is."""
    if not fixed or finding["code"] not in {*fixed["mended"], *fixed["left_out"]}:
        return finding["fix"]
    return f"{finding['fix'].replace('whet check DATA --fix OUT.jsonl', '--fix')} (done in {fixed['out']})"


def format_benchmark(benchmark: dict[str, Any]) -> str:
    """Of a benchmark of which nothing was found."""
    rows = count(benchmark["rows"], "row")
    return f"Compared with {rows} of {benchmark['name']}: none of their texts is in a row to be learned."


def more_rows(curve: dict[str, Any] | None) -> str:
    """What more rows would bring, from the learning curve that was drawn of this data."""
    if curve is None:
        return "Whether more rows would help can be measured, not read off a count: whet curve with the same DATA."
    return f"{curve['sentence']} (whet curve, run {curve['run']})"


def format_repair(facts: dict[str, Any]) -> list[str]:
    """What --fix did, in lines."""
    lines = [f"{facts['out']}: {facts['rows_out']:,} of {facts['rows_in']:,} rows; every change is in {facts['diff']}"]
    lines += [f"  mended    {code}: {count(rows, 'row')}" for code, rows in facts["mended"].items()]
    lines += [f"  left out  {code}: {count(rows, 'row')}" for code, rows in facts["left_out"].items()]
    if len(lines) > 1:
        return lines
    return [*lines, "  nothing could be repaired: the rows are as they were"]
