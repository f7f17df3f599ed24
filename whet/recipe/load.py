"""From what the user gives (a recipe file, a data file, keys on the command line) to a checked Recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from whet.errors import RecipeError, nearest
from whet.recipe.conflicts.evaluate import refuse_evaluation_contradictions
from whet.recipe.conflicts.goal import refuse_goal_contradictions, with_goal_metric
from whet.recipe.conflicts.keep import refuse_keep_contradictions
from whet.recipe.conflicts.release import refuse_unserved
from whet.recipe.conflicts.unread import refuse_unread_keys
from whet.recipe.explain import explain
from whet.recipe.file_formats import other_format, sheet_of
from whet.recipe.files import resolve_files, resolve_files_named_here
from whet.recipe.schema import Full, Recipe
from whet.recipe.secret_keys import refuse_keys
from whet.recipe.sections.adapters import refuse_adapter_contradictions
from whet.recipe.sections.retrieval import refuse_retrieval_contradictions
from whet.recipe.strict import refuse_first
from whet.recipe.text_keys import as_written, is_text
from whet.recipe.trust import found_in_run, named_by_user
from whet.recipe.yaml_text import Dumper, Places, parse

RECIPE_SUFFIXES = {".yaml", ".yml"}
DATA_SUFFIXES = {".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".xlsx", ".txt", ".md", ".gz"}
LARGEST_RECIPE = 1 << 20
OF_EXAMPLES = ("tickets.jsonl", "pairs.jsonl", "prompts.jsonl", "your-data.jsonl")
"""Names in the examples of `--help` and of the pages."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """A key of the recipe that a Python program gave by name, with its value as it is."""

    key: str
    value: Any


Override = str | tuple[str, str] | Keyword
"""`key.sub=value`, or that and what the user wrote it as: `--epochs`."""


def load_recipe(
    source: str | Path | dict[str, Any] | Recipe, overrides: Sequence[Override] = (), folder: Path | None = None
) -> Recipe:
    """A checked recipe from a recipe file, a data file, a folder of data, a Hub name, or a dictionary of keys.

    `overrides` are `key.sub=value`, the value read as YAML, or as it is written where the key takes a text; they win.
    Relative `data`, `test` and `base` of a recipe file are looked up beside it first, then from the current folder
    (`folder` replaces the recipe's own folder: so a run reads the recipe that it keeps, and what that names is not
    trusted like what the user names).
    Raises RecipeError with file, line, key, value, what is allowed, and the fix.
    """
    where, places = "recipe", {}
    if isinstance(source, Recipe):
        values = source.model_dump(exclude_none=True)
    elif isinstance(source, dict):
        values = dict(source)
    else:
        path = Path(source)
        if not str(source):
            raise RecipeError("no data and no recipe is named", value="", fix="as in: whet tune tickets.jsonl")

        values, places = from_path(path)
        where = str(path)

        if path.suffix.lower() in RECIPE_SUFFIXES:
            values = resolve_files(values, folder or path.parent, confined=folder is None, where=where)

    for override in overrides:
        if isinstance(override, Keyword):
            set_key(values, override.key, override.value, places, f"keyword {override.key}")
        else:
            text, said = (override, "") if isinstance(override, str) else override
            apply_override(values, text, places, said)

    recipe = check(resolve_files_named_here(values), where, places)
    found_in_run(recipe) if folder is not None else named_by_user(recipe)

    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """YAML that `load_recipe` reads back to an equal recipe. Keys left to the rules (None) are left out."""
    return yaml.dump(recipe.model_dump(exclude_none=True), Dumper=Dumper, sort_keys=False, allow_unicode=True)


def check(values: dict[str, Any], where: str, places: Places) -> Recipe:
    values = {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
    refuse_keys(values, where, places)
    empty = [key for key, value in values.items() if value is None and key in Recipe.model_fields]
    values = with_goal_metric(with_kinds({key: value for key, value in values.items() if key not in empty}))

    try:
        recipe = Recipe.model_validate(values, strict=True)
    except ValidationError as error:
        raise explain(error, where, places) from error

    refuse_contradictions(recipe, places.get(("quantise",), where))
    if recipe.optimizer.kind == "muon" and recipe.optimizer.state == "bfloat16":
        what, place = "muon keeps its state in float32", places.get(("optimizer", "state"), where)
        raise RecipeError(what, where=place, value="optimizer.state: bfloat16", fix="leave it out, or use kind: adamw")

    return recipe


def refuse_contradictions(recipe: Recipe, where: str) -> None:
    """Raises RecipeError for keys that are right alone and wrong together."""
    refuse_first(recipe.method.conflicts(recipe), where)
    refuse_retrieval_contradictions(recipe, where)
    refuse_evaluation_contradictions(recipe, where)
    refuse_goal_contradictions(recipe, where)
    refuse_keep_contradictions(recipe, where)
    refuse_unread_keys(recipe, where)
    refuse_adapter_contradictions(recipe, where)
    refuse_unserved(recipe, where)

    if recipe.columns.margin and not recipe.method.rows.margin:
        what = "only a reward model learns from margins"
        raise RecipeError(what, where="columns.margin", value=recipe.columns.margin, fix="set method: reward")
    if not recipe.quantise:
        return

    what, fix = "", ""
    if isinstance(recipe.adapter, Full):
        what, fix = "4-bit weights cannot be trained, and adapter: full trains them", "use adapter: lora"
    elif why := recipe.method.why_not("quantise", recipe):
        what, fix = why.what, why.fix

    if what:
        raise RecipeError(what, where=where, value=f"quantise: {recipe.quantise}", fix=f"{fix}, or leave quantise out")


def with_kinds(values: dict[str, Any]) -> dict[str, Any]:
    """`method: sft` means `method: {kind: sft}`, and a group without a kind is of the default kind."""
    values = dict(values)
    for key in values.keys() & Recipe.model_fields.keys():
        value, default = values[key], default_kind(key)
        if default and isinstance(value, str):
            values[key] = {"kind": value}
        elif default and isinstance(value, dict):
            values[key] = {"kind": default, **value}

    return values


def default_kind(key: str) -> str | None:
    """The kind that a group of keys has when none is named; None for what has no kinds."""
    field = Recipe.model_fields.get(key)
    if field is None or field.is_required():
        return None
    return getattr(field.get_default(call_default_factory=True, validated_data={}), "kind", None)


def from_path(path: Path) -> tuple[dict[str, Any], Places]:
    refuse_unusable_name(path)
    if path.suffix.lower() in RECIPE_SUFFIXES:
        return from_recipe_file(path)
    if sheet_of(path)[1] is not None and sheet_of(path)[0].is_file():
        return {"data": str(path)}, {}
    if path.is_dir() or path.is_file():
        if path.is_file() and path.suffix.lower() not in DATA_SUFFIXES:
            recipes, data = (", ".join(sorted(suffixes)) for suffixes in (RECIPE_SUFFIXES, DATA_SUFFIXES))
            raise RecipeError(
                f"neither a recipe ({recipes}) nor data ({data})",
                where=str(path),
                value=path.suffix or "no suffix",
                fix=other_format(path.suffix) or "give one of these files, or rename it",
            )

        return {"data": str(path)}, {}
    if looks_like_hub_name(path):
        return {"data": str(path)}, {}

    raise missing_file(path)


def refuse_unusable_name(path: Path) -> None:
    """Raises RecipeError for a name that no file can have, or that could not be written down."""
    fix = "give the path of a recipe or of a data file"
    try:
        str(path).encode("utf-8")
        path.exists()
    except UnicodeEncodeError as error:
        raise RecipeError("the name of this file is not UTF-8", value=str(path), fix="rename the file") from error
    except OSError as error:
        raise RecipeError(f"no file can have this name: {error.strerror}", value=str(path), fix=fix) from error

    if path.is_symlink() and not path.exists():
        raise RecipeError("this link leads nowhere", where=str(path), fix=fix)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise RecipeError("this is not a file that can be read twice", where=str(path), fix="write it to a file first")


def looks_like_hub_name(path: Path) -> bool:
    name = str(path)
    if path.suffix.lower() in DATA_SUFFIXES | RECIPE_SUFFIXES or path.parent.exists():
        return False
    return bool(re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name))


def missing_file(path: Path) -> RecipeError:
    if path.parent.is_dir():
        siblings = [p.name for p in path.parent.iterdir()]
        fix = "give the path of a recipe or of a data file"
    else:
        siblings = []
        fix = f"the folder {path.parent} does not exist either"

    if path.name in OF_EXAMPLES:
        fix = f"{path.name} stands for a file of yours in the examples; without one, whet demo makes its own data"
    return RecipeError(f"there is no such file{nearest(path.name, siblings)}", where=str(path), fix=fix)


def from_recipe_file(path: Path) -> tuple[dict[str, Any], Places]:
    try:
        if path.stat().st_size > LARGEST_RECIPE:
            raise RecipeError("too large for a recipe", where=str(path), value=path.stat().st_size, fix="is it data?")

        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except UnicodeDecodeError as error:
        fix = "save the recipe as UTF-8 text"
        raise RecipeError(f"not UTF-8 text (byte {error.start})", where=str(path), fix=fix) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RecipeError(f"cannot read: {reason}", where=str(path), fix="give a readable recipe file") from error

    values, places = parse(text, str(path))
    if not isinstance(values, dict):
        found = {type(None): "nothing", list: "a list", str: "a text"}.get(type(values), "a single value")
        raise RecipeError(
            f"a recipe is lines of `key: value`; this file holds {found}",
            where=str(path),
            fix="make one with: whet init DATA",
        )

    return values, places


def apply_override(values: dict[str, Any], override: str, places: Places, said: str = "") -> None:
    """Sets `key.sub=value` inside `values`, and notes in `places` that the command line did, or what was `said`."""
    key, text = split_override(override)
    place = said or f"--set {key}"

    if is_text(key):
        value = as_written(key, text, place)
    else:
        value = parse(text, place)[0]

    set_key(values, key, value, places, place)


def split_override(override: str) -> tuple[str, str]:
    """The key, and its value as it was written. Raises RecipeError."""
    key, sign, text = override.partition("=")
    if not sign or not key.strip():
        raise RecipeError("an override is key=value", where="--set", value=override, fix="as in: --set adapter.rank=8")
    return key.strip(), text


def set_key(values: dict[str, Any], key: str, value: Any, places: Places, place: str) -> None:
    """Sets the dotted `key` inside `values`, and notes in `places` where that was said."""
    *groups, last = key.split(".")
    inside: dict[str, Any] = values
    for depth, group in enumerate(groups, start=1):
        places.setdefault(tuple(groups[:depth]), place)
        inner = inside.get(group)
        if isinstance(inner, str) and default_kind(group):
            inner = {"kind": inner}

        if inner is not None and not isinstance(inner, dict):
            raise RecipeError(f"{group!r} has no keys under it", where=place, value=inner, fix=f"set {group} itself")

        inside[group] = dict(inner or {})
        inside = inside[group]

    inside[last] = value
    places[(*groups, last)] = place
