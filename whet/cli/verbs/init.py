"""`whet init`: writes a short, commented recipe that fits the data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whet.cli.options import Json
from whet.errors import RecipeError

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

METHODS = "pretrain, sft, dpo, kto, reward, classify, grpo, rloo, ppo, bake or distil"
LOOKED_AT = 200
"""Rows that decide what kind of data this is."""


def init(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A data file or folder, or a set on the Hub.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recipe; default: the data's name with .yaml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing recipe.")] = False,
    json_: Json = False,
) -> None:
    """Write a short, commented recipe that fits the data.

    Example: whet init tickets.jsonl
    """
    from whet.cli.render import Screen
    from whet.recipe.load import RECIPE_SUFFIXES, load_recipe
    from whet.store.atomic import write_text

    if Path(data).suffix.lower() in RECIPE_SUFFIXES:
        raise RecipeError("this is a recipe already", where=data, fix=f"run it: whet tune {data}")
    recipe = load_recipe(data)
    out = out or Path(Path(data).name.split(".")[0] + ".yaml")
    if out.suffix.lower() not in RECIPE_SUFFIXES:
        raise RecipeError("a recipe ends in .yaml or .yml", where="--out", value=str(out), fix=f"--out {out.stem}.yaml")
    if out.exists() and not force:
        raise RecipeError("this file exists", where=str(out), fix="add --force, or choose another --out")
    kind, described = look(recipe)
    text = recipe_text(data, out, kind, described)
    write_text(out, text)
    checked = load_recipe(out)
    screen = Screen(json_)
    screen.say(text)
    screen.say(f"Written to {out}. Run it: whet tune {out}")
    screen.finish({"recipe": str(out), "kind": kind, "keys": checked})


def look(recipe: Recipe) -> tuple[str, str]:
    """(kind, description) of the data, from its first rows. Raises DataError for data that can not be understood."""
    from itertools import islice

    from whet.data.read.source import read_source
    from whet.data.rows.row_format import detect

    first = list(islice(read_source(recipe.data), LOOKED_AT))
    shape = detect([raw.value for raw in first], recipe, [raw.where for raw in first])
    return shape.kind, shape.describe()


def recipe_text(data: str, out: Path, kind: str, described: str) -> str:
    """The recipe. Its comments are the descriptions in the schema, so that they can not drift apart."""
    from whet.recipe.load import dump_recipe
    from whet.recipe.schema import Recipe

    path = os.path.relpath(data, out.parent) if Path(data).exists() else data
    first = dump_recipe(Recipe(data=path)).splitlines()[0]
    method = {"text": "pretrain", "preference": "dpo", "ranking": "dpo", "unpaired": "kto"}.get(kind, "sft")
    adapter = "full" if method == "pretrain" else "lora"
    fields = Recipe.model_fields

    def line(key: str, value: str, comment: str | None = None) -> str:
        return f"{key}: {value:<{max(1, 32 - len(key))}}# {comment or fields[key].description or ''}".rstrip(" #")

    set_lines = [
        line("base", "nano"),
        line("method", f"{{kind: {method}}}", METHODS),
        line("adapter", f"{{kind: {adapter}}}", "lora or full"),
        line("seed", "0"),
    ]
    open_lines = [
        "# " + line("learning_rate", "2e-4"),
        "# " + line("epochs", "3"),
        "# " + line("batch_tokens", "4096"),
        "# " + line("max_tokens", "512"),
        "# " + line("system", '"Answer in JSON."'),
    ]
    head = [f"# The data is {' '.join(described.split())}", first]
    by_rule = "# Rules decide these, and say why; uncomment to decide yourself."
    return "\n".join([*head, *set_lines, "", by_rule, *open_lines]) + "\n"
