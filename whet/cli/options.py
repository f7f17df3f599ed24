"""Arguments and options that several verbs share, described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whet.cli.completions import model_names, recipe_keys, run_names
from whet.errors import InputError

DataOrRecipe = Annotated[
    str, typer.Argument(metavar="DATA-or-RECIPE", help="A recipe (.yaml), a data file or folder, or a set on the Hub.")
]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="Name or folder of a run; see: whet runs.", autocompletion=run_names)
]
ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="Name of a model; see: whet models.", autocompletion=model_names)
]
Version = Annotated[int, typer.Argument(metavar="VERSION", help="Its number; see: whet models.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a key of the recipe; may be repeated.", autocompletion=recipe_keys
    ),
]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where the runs are kept.")]
OutRuns = Annotated[Path, typer.Option("--runs", "--out", metavar="FOLDER", help="Where the runs are kept.")]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Name of the run; default: from the data and the recipe.")
]
Trust = Annotated[
    bool,
    typer.Option("--trust", callback=lambda value: agreed(value), help="Run code that a run from elsewhere brings."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object; what is for people goes to stderr.")]
Gate = Annotated[bool, typer.Option("--gate", help="Exit with 3 unless it is better and nothing is over budget.")]

AcceptChanged = Annotated[
    bool,
    typer.Option(
        "--accept-changed", help="Resume though a file that the recipe names (a reward, a task) changed; it is noted."
    ),
]

RUNS = Path("runs")


def agreed(value: bool) -> bool:
    """With --trust nothing that a run brings is asked about."""
    if value:
        from whet.recipe.trust import agree

        agree()
    return value


def options_first(group: str, verb: str) -> InputError:
    """Options between a group and its verb would be lost: refuse them."""
    fix = f"whet {group} {verb} ... --json"
    return InputError(f"options go after the verb of `whet {group}`", fix=fix)
