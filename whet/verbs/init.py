"""A short, commented recipe that fits the data. Torch-free."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any

from whet.data.read.source import read_source
from whet.data.rows.format_detector import detect
from whet.errors import RecipeError
from whet.recipe.keywords import in_python
from whet.recipe.load import RECIPE_SUFFIXES, dump_recipe, load_recipe
from whet.recipe.schema import Recipe
from whet.reports.result import Result
from whet.store.atomic import write_text

METHODS = "pretrain, sft, dpo, kto, reward, classify, grpo, rloo, ppo, bake or distil"
LOOKED_AT = 200
"""Rows that decide what kind of data this is."""


@in_python
def init(data: str | Path, out: Path | str | None = None, force: bool = False) -> InitResult:
    """Write a short, commented recipe that fits the data, to `out`, or to the data's name with .yaml.

    `recipe` of the result is its path, `kind` that of the data. Raises RecipeError where the file exists, unless
    `force` is given, and DataError for data that cannot be understood.
    """
    data = str(data)
    if Path(data).suffix.lower() in RECIPE_SUFFIXES:
        raise RecipeError("this is a recipe already", where=data, fix=f"run it: whet tune {data}")

    recipe = load_recipe(data)
    out = Path(out or Path(data).name.split(".")[0] + ".yaml")
    if out.suffix.lower() not in RECIPE_SUFFIXES:
        raise RecipeError("a recipe ends in .yaml or .yml", where="--out", value=str(out), fix=f"--out {out.stem}.yaml")
    if out.exists() and not force:
        raise RecipeError("this file exists", where=str(out), fix="add --force, or choose another --out")

    kind, described = look(recipe)
    text = recipe_text(data, out, kind, described)
    write_text(out, text)
    return InitResult({"recipe": str(out), "kind": kind, "keys": load_recipe(out)}, text)


class InitResult(Result):
    """`recipe`, `kind`, `["keys"]` (the Recipe as it is read), and its `text`."""

    def __init__(self, facts: dict[str, Any], text: str) -> None:
        super().__init__(facts)
        self.text = text
        """What is in the file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self.text)

    def title(self) -> str:
        return f"{self['recipe']}: {self['kind']} rows"


def look(recipe: Recipe) -> tuple[str, str]:
    """(kind, description) of the data, from its first rows. Raises DataError for data that can not be understood."""
    first = list(islice(read_source(recipe.data), LOOKED_AT))
    values = [raw.value for raw in first]
    shape = detect(values, recipe, [raw.where for raw in first])
    return shape.kind, shape.describe()


def recipe_text(data: str, out: Path, kind: str, described: str) -> str:
    """The recipe. Its comments are the descriptions in the schema, so that they can not drift apart."""
    if Path(data).exists():
        path = os.path.relpath(data, out.parent)
    else:
        path = data

    first = dump_recipe(Recipe(data=path)).splitlines()[0]
    method = {"text": "pretrain", "preference": "dpo", "ranking": "dpo", "unpaired": "kto"}.get(kind, "sft")
    if method == "pretrain":
        adapter = "full"
    else:
        adapter = "lora"

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
