"""`whet compare`: prompting, retrieval, tuning and other models on the same rows, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from whet.cli.completions import run_names
from whet.cli.importing import STARTING, without_garbage_collection
from whet.cli.options import RUNS, DataOrRecipe, Json, Name, OutRuns, Set, Trust
from whet.cli.recipe_flags import with_flags
from whet.errors import count

if TYPE_CHECKING:
    from whet.cli.render import Screen
    from whet.evaluation.comparison.comparison_facts import CompareFacts

TrainedRun = Annotated[
    str | None,
    typer.Option(
        "--run", metavar="RUN", help="A finished run of this data; default: the recipe's own.", autocompletion=run_names
    ),
]
Gate = Annotated[
    bool,
    typer.Option("--gate", help="Exit with 3 unless tuning is proved better than the best arm without it."),
]


@with_flags
def compare(
    data: DataOrRecipe,
    set_: Set = None,
    run: TrainedRun = None,
    name: Name = None,
    runs: OutRuns = RUNS,
    gate: Gate = False,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Ask prompts, examples, retrieval, the tuned model and other models the same rows, and say what to do.

    Tunes first where there is no run yet. The same command again goes on where it stopped. With --gate, exits with 3
    when tuning is not proved better than the best arm without it, or when the tuned model is advised and its own run
    does not say that it should be used.

    Example: whet compare tickets.jsonl --set compare.shots=8
    """
    from whet.cli.progress import watching
    from whet.cli.render import Screen
    from whet.cli.requested_recipe import asked_recipe
    from whet.cli.verbs.tune import NOT_BETTER

    screen = Screen(json_)
    recipe = asked_recipe(data, set_)
    with watching(STARTING) as watch:
        with without_garbage_collection():
            from whet import api

        result = api.compare(recipe, run=run, run_root=runs, name=name, observer=watch)

    facts = cast("CompareFacts", result)
    show(screen, facts)
    screen.finish(result)

    if gate and not opens(facts):
        raise typer.Exit(NOT_BETTER)


def opens(result: CompareFacts) -> bool:
    """Whether --gate lets it pass: tuning is worth it, and nothing speaks against the model that is advised."""
    from whet.reports.comparison import caution

    return result["verdict"]["word"] == "better" and caution(result) is None


def show(screen: Screen, result: CompareFacts) -> None:
    """The advice, the table, and what must be known to believe it."""
    from rich.panel import Panel
    from rich.text import Text

    from whet.reports.comparison import caution, headline, notes

    verdict, warning = result["verdict"], caution(result)
    if verdict["arm"] is None or warning:
        style = "yellow"
    else:
        style = "green"

    body = Text("\n\n".join(filter(None, [verdict["sentence"], warning])))
    title = Text(headline(verdict), style=f"bold {style}")
    screen.show(table_of(result))
    screen.say("")
    screen.show(Panel(body, title=title, title_align="left", border_style=style, padding=(1, 2)))

    for note in notes(result):
        screen.say(note, style="dim")
    screen.say(f"Report: {result['report']}")


def table_of(result: CompareFacts) -> Any:
    from whet.cli import render
    from whet.evaluation.comparison.advice import dollars
    from whet.reports.comparison import seconds
    from whet.text.numbers import format_range, format_score

    verdict, scale = result["verdict"], result["scale"]
    chosen = verdict["arm"] or verdict["meanwhile"]
    rows = []
    for arm in result["arms"]:
        rows.append(
            (
                ("→ " if arm["name"] == chosen else "  ") + arm["label"].removeprefix("the "),
                format_score(arm["score"], scale),
                format_range(arm["low"], arm["high"], scale),
                round(arm["prompt_tokens"]),
                round(arm["answer_tokens"]),
                seconds(arm["seconds_per_answer"]),
                None if arm["cost"] is None else dollars(arm["cost"]),
            )
        )
    columns = ["  arm", f"#{result['metric']['name']}", "#95%", "#prompt", "#answer", "#time each", "#per 1,000"]

    return render.table(columns, rows, title=f"{count(result['arms'][0]['rows'], 'test row')}; tokens are means")
