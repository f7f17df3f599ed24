"""`whet choose`: which base is enough for the data, and whether it must be tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from whet.cli.importing import STARTING, without_garbage_collection
from whet.cli.options import RUNS, DataOrRecipe, Json, Name, OutRuns, Set
from whet.cli.recipe_flags import with_flags

if TYPE_CHECKING:
    from whet.selection.choice_facts import ChoiceFacts


@with_flags
def choose(
    data: DataOrRecipe,
    bases: Annotated[
        str,
        typer.Option(
            "--bases",
            metavar="A,B,C",
            help="Folders, GGUF files, names on the Hub; a model behind a URL as URL#MODEL@IN/OUT, dollars a million "
            "tokens.",
        ),
    ],
    hours: Annotated[float | None, typer.Option("--hours", metavar="N", help="Budget: time of this machine.")] = None,
    memory: Annotated[
        str | None, typer.Option("--memory", metavar="SIZE", help="Budget: what a tune may take, as in 8GB.")
    ] = None,
    usd: Annotated[
        float | None, typer.Option("--usd", metavar="N", help="Budget: dollars, of servers and of this machine.")
    ] = None,
    answers_per_month: Annotated[
        int | None,
        typer.Option("--answers-per-month", metavar="N", help="Costs are compared at this volume."),
    ] = None,
    price_per_hour: Annotated[
        float | None,
        typer.Option("--price-per-hour", metavar="N", help="Dollars an hour of this machine; 0 if it costs nothing."),
    ] = None,
    set_: Set = None,
    name: Name = None,
    runs: OutRuns = RUNS,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit with 3 unless one is chosen and proved on the test rows.")
    ] = False,
    json_: Json = False,
) -> None:
    """Find out which base is enough, and whether it must be tuned, within a budget.

    All candidates are asked the validation rows as they are, with a prompt and with examples. Those that can be tuned
    learn from growing shares of the training rows, and losers leave. The test rows are read once, by the one that is
    chosen. The same command again goes on where it stopped.

    Example: whet choose tickets.jsonl --bases nano,HuggingFaceTB/SmolLM2-135M-Instruct --hours 1
    """
    from whet.cli.progress import watching
    from whet.cli.render import Screen
    from whet.cli.requested_recipe import asked_recipe
    from whet.cli.verbs.tune import NOT_BETTER
    from whet.errors import InputError

    screen = Screen(json_)
    if any(isinstance(each, tuple) and each[1] == "--base" for each in set_ or []):
        raise InputError("the candidates are named by --bases", where="--base", fix="leave --base out")
    recipe = asked_recipe(data, set_)
    with watching(STARTING) as watch:
        with without_garbage_collection():
            from whet import api

        result = api.choose(
            recipe, bases, hours, memory, usd, answers_per_month, price_per_hour, runs, name, observer=watch
        )

    show(screen, cast("ChoiceFacts", result))
    screen.finish(result)
    if gate and not result["worth_it"]:
        raise typer.Exit(NOT_BETTER)


def show(screen: Any, facts: ChoiceFacts) -> None:
    """The table, the recommendation, and where the page is."""
    from rich.panel import Panel
    from rich.text import Text

    from whet.cli.render import table
    from whet.evaluation.comparison.advice import dollars
    from whet.selection.page import headline
    from whet.selection.plot import ways_of
    from whet.text.wording import percent

    rows = []
    for way in ways_of(facts):
        asked, (low, high) = way.facts, way.facts["interval"]
        usd = asked["usd_per_1000"]
        rows.append(
            (
                ("→ " if way.chosen else "  ") + f"{way.base} {way.label}",
                percent(asked["score"]),
                f"{100 * low:.1f} to {100 * high:.1f}",
                f"{asked['seconds_per_answer']:.3f} s",
                None if usd is None else dollars(usd),
            )
        )

    columns = ["  way", f"#{facts['metric']['name']}", "#95%", "#time each", "#per 1,000"]
    screen.show(table(columns, rows, title=f"{facts['validation_rows']:,} validation rows"))
    for candidate in facts["candidates"]:
        if candidate["why"]:
            screen.say(f"{candidate['base']}: {candidate['why']}", style="dim")

    style = "green" if facts["worth_it"] else "yellow"
    verdict = facts["verdict"]
    words = [facts["reason"], None if verdict is None else verdict["sentence"]]
    title = Text(headline(facts), style=f"bold {style}")
    body = Text("\n\n".join(filter(None, words)))
    screen.show(Panel(body, title=title, title_align="left", border_style=style, padding=(1, 2)))
    screen.say(f"Report: {facts['report']}")
