"""What a verb is given: a recipe, data, or rows that a program holds; and the data as the recipe's base sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from whet.data.read.in_memory import holds_rows, written
from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.errors import InputError
from whet.methods import method_of
from whet.model.base import load_config, load_tokenizer
from whet.observer import Observer
from whet.recipe.bases import refuse_missing_base
from whet.recipe.load import Keyword, load_recipe
from whet.recipe.schema import Recipe
from whet.recipe.text_keys import is_text
from whet.recipe.trust import named_by_user
from whet.recipe.yaml_text import parse
from whet.store.run import DEFAULT_ROOT
from whet.training.session import with_length_limits

CACHE = "cache"
"""Beside the runs."""
Input = Recipe | str | Path | Iterable[Any]
"""A recipe, its path or its keys; the path of data, or rows that the program holds (whet/data/read/in_memory.py)."""


def recipe_of(data: Input, overrides: dict[str, Any], run_root: Path | str = DEFAULT_ROOT) -> Recipe:
    """The recipe of a verb's `data`, with the keywords that were given beside it. Rows that are no file yet are written
    down beside the runs. Raises RecipeError, DataError."""
    if isinstance(data, Recipe) and not overrides:
        named_by_user(data)
        return data

    given = [Keyword(key, _as_file(key, value, run_root)) for key, value in overrides.items()]
    if isinstance(data, Recipe):
        source: Any = data.model_dump(mode="json", exclude_none=True)
    elif holds_rows(data):
        source = {"data": written(data, run_root)}
    elif isinstance(data, Mapping):
        source = {key: _as_file(str(key), value, run_root) for key, value in data.items()}
    elif isinstance(data, list | tuple):
        source = {"data": [str(name) for name in data]}
    elif isinstance(data, str | Path):
        source = data
    else:
        fix = "give the path of data or of a recipe, a list of dictionaries, a table, or a Recipe"
        raise InputError(f"this is no data: it is of type {type(data).__name__}", where="data", value=data, fix=fix)

    return load_recipe(source, given)  # overrides are checked, too


def read_data(recipe: Recipe, run_root: Path | str, observer: Observer) -> Source:
    """The data as the recipe's base sees it, without its weights."""
    refuse_missing_base(recipe.base)
    tokenizer = load_tokenizer(recipe.base, recipe.trust_remote_code)
    recipe = with_length_limits(recipe, load_config(recipe.base, recipe.trust_remote_code))
    observer.phase("reading the data")
    return method_of(recipe).gather(recipe, Renderer(tokenizer), Path(run_root) / CACHE, observer)


def _as_file(key: str, value: Any, run_root: Path | str) -> Any:
    """The value of a key as a recipe has it: rows as the path of a file that holds them. A text is read as on the
    command line, so that `"{kind: bake}"` is a group; but where the key takes a text, it is one as it is."""
    if key in ("data", "test") and holds_rows(value):
        return written(value, run_root, key)
    if isinstance(value, str) and not is_text(key):
        return parse(value, f"keyword {key}")[0]
    return _plain(value)


def _plain(value: Any) -> Any:
    """Paths as texts, numbers of numpy as Python's own, in groups and lists, too."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "dtype") and hasattr(value, "item"):
        return value.item()
    return value
