"""Why a recipe is refused, in words: pydantic's findings turned into key, value, what is allowed, and the fix."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from whet.errors import RecipeError, nearest, shorten
from whet.recipe.other_tools import METHODS, OTHER_TOOLS, called_here
from whet.recipe.schema import Recipe
from whet.recipe.yaml_text import Places


def kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models of a union told apart by `kind`, by their kind; empty for anything else."""
    if get_origin(annotation) is Annotated:
        return kinds(get_args(annotation)[0])
    if get_origin(annotation) not in (Union, types.UnionType):
        return {}
    models = [m for m in get_args(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
    return {m.model_fields["kind"].default: m for m in models if "kind" in m.model_fields}


def item_kinds(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models that the items of a list are told apart into; empty for anything else."""
    if get_origin(annotation) is Annotated:
        return item_kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return next((found for part in get_args(annotation) if (found := item_kinds(part))), {})
    if get_origin(annotation) is list:
        return kinds(get_args(annotation)[0])
    return {}


def submodel(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if annotation is not None:
        return next((m for a in get_args(annotation) if (m := submodel(a))), None)
    return None


def all_keys(model: type[BaseModel] = Recipe, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key of the recipe with its dotted name: `learning_rate`, `adapter.rank`, `evaluate.every`, ..."""
    for name, field in model.model_fields.items():
        yield prefix + name, field
        if item_kinds(field.annotation):
            continue  # keys of a list's items have no dotted name
        inner = list(kinds(field.annotation).values()) or [m for m in [submodel(field.annotation)] if m]

        seen: set[str] = set()
        for part in inner:
            for key, found in all_keys(part, f"{prefix}{name}."):
                if key not in seen:
                    seen.add(key)
                    yield key, found


def explain(error: ValidationError, where: str, places: Places) -> RecipeError:
    """The first finding (unknown keys first) as a RecipeError; says how many more there are."""
    grouped: dict[str, list[ErrorDetails]] = {}
    for detail in error.errors():
        grouped.setdefault(locate(detail["loc"])[0], []).append(detail)

    for key in [key for key in grouped if any(other.startswith(f"{key}[") for other in grouped)]:
        del grouped[key]  # the item of a list that is wrong says more than the list
    groups = sorted(grouped.items(), key=lambda item: item[1][0]["type"] != "extra_forbidden")
    key, details = groups[0]
    parts = tuple(int(p) if p.isdigit() else p for p in key.replace("[", ".").replace("]", "").split("."))
    place = next((places[parts[:n]] for n in range(len(parts), 0, -1) if parts[:n] in places), where)

    if len(groups) > 1:
        others = f"; {len(groups) - 1} more to mend: {', '.join(k for k, _ in groups[1:5])}"
    else:
        others = ""

    kind = details[0]["type"]
    if kind == "extra_forbidden":
        what, fix = unknown_key(key, details[0]["loc"])
        return RecipeError(what + others, where=place, fix=fix)
    if kind == "missing":
        return RecipeError(f"the key {key!r} is missing{others}", where=place, fix=f"add a line `{key}: ...`")

    what = f"{key} must be {wanted(details)}{others}"
    value = details[0]["input"]
    if isinstance(value, dict) and kind.startswith("union_tag"):
        value = value.get("kind")
    return RecipeError(what, where=place, value=value, fix=suggest_fix(key, value, details))


def locate(loc: tuple[int | str, ...]) -> tuple[str, type[BaseModel] | None]:
    """pydantic's location -> (dotted key as the user wrote it, the model that the last key belongs to)."""
    key, owner, inside = "", None, Recipe
    choices: dict[str, type[BaseModel]] = {}

    items: dict[str, type[BaseModel]] = {}
    for part in loc:
        if choices:
            inside, choices = choices[str(part)], {}
        elif isinstance(part, int):
            key += f"[{part}]"
            choices, items = items, {}
        elif inside is not None:
            key = f"{key}.{part}" if key else part
            owner = inside
            field = inside.model_fields.get(part)
            annotation = field.annotation if field else None

            choices, items, inside = kinds(annotation), item_kinds(annotation), None
            if not choices and field:
                inside = submodel(annotation)

    return key, owner


def unknown_key(key: str, loc: tuple[int | str, ...]) -> tuple[str, str]:
    owner = locate(loc)[1] or Recipe
    prefix, _, name = key.rpartition(".")
    what = f"unknown key {key!r}" + nearest(name, owner.model_fields)
    known = sorted(owner.model_fields)
    fix = f"known keys {'under ' + prefix if prefix else 'here'}: {', '.join(known)}"
    elsewhere = [full for full, _ in all_keys() if full.rpartition(".")[2] == name]

    if not prefix or name in OTHER_TOOLS:
        known_elsewhere = called_here(name)
    else:
        known_elsewhere = ""

    if known_elsewhere:
        what, fix = f"unknown key {key!r}", known_elsewhere
    elif prefix and key in elsewhere:
        models = kinds(Recipe.model_fields[prefix].annotation)
        allowed = [kind for kind, model in models.items() if name in model.model_fields]
        what, fix = f"unknown key {key!r} for this kind", f"it belongs to {prefix}.kind: {' or '.join(allowed)}"
    elif elsewhere and "did you mean" not in what:
        fix = f"it belongs here: {' or '.join(elsewhere)}"

    return what, fix


NAMES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
    "dict_type": "a group of keys",
    "finite_number": "a finite number",
    "string_too_short": "the name of something",
    "too_short": "a list with something in it",
    "string_pattern_mismatch": "a name without zero characters",
}


EXAMPLES = {"int_type": "8", "float_type": "0.001"}
YES, NO = {"yes", "on", "y", "1"}, {"no", "off", "n", "0"}
"""Words that YAML once took for true and false, and here are words."""


def wanted(details: list[ErrorDetails]) -> str:
    return " or ".join(dict.fromkeys(one_wanted(detail) for detail in details))


def one_wanted(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "literal_error":
        return f"one of {context['expected'].replace(' or ', ', ').replace(chr(39), '')}"
    if kind == "union_tag_invalid":
        return f"of kind {context['expected_tags'].replace(chr(39), '')}"

    signs = {"greater_than": ("gt", "above"), "greater_than_equal": ("ge", "at least")}
    signs |= {"less_than": ("lt", "below"), "less_than_equal": ("le", "at most")}

    if kind in signs:
        name, words = signs[kind]
        limit = context[name]
        if isinstance(limit, int):
            return f"{words} {limit:,}"
        return f"{words} {limit:g}"

    return NAMES.get(kind, detail["msg"].lower())


def suggest_fix(key: str, value: object, details: list[ErrorDetails]) -> str:
    types_ = {detail["type"] for detail in details}
    example = next((EXAMPLES[kind] for kind in EXAMPLES if kind in types_), None)

    last, word = key.rpartition(".")[2], str(value).lower()
    if "bool_type" in types_ and word in YES:
        return f"write `{last}: true`"
    if "bool_type" in types_ and word in NO:
        return f"write `{last}: false`"
    if "bool_type" in types_:
        return "write true or false, without quotes"

    tags = []
    for detail in details:
        tags += _quoted(str(detail.get("ctx", {}).get("expected_tags", "")))
    if isinstance(value, str) and tags:
        if key == "method" and value.lower() in METHODS:
            return METHODS[value.lower()]
        return one_of(value, tags)
    if isinstance(value, str) and example:
        return f"write the bare value, without quotes or units, as in `{last}: {example}`"
    if "string_type" in types_ and not isinstance(value, (dict, list)):
        return f'put it in quotes: {last}: "{value}"'

    allowed = []
    for detail in details:
        if detail["type"] == "literal_error":
            allowed += _quoted(detail.get("ctx", {})["expected"])
    if isinstance(value, str) and allowed:
        return one_of(value, allowed)
    if key == "data":
        return f"name a file, not {shorten(value, 40)}"
    return f"change {key}, or leave it out for the default"


def _quoted(text: str) -> list[str]:
    """The words between single quotes."""
    return text.split("'")[1::2]


def one_of(value: str, allowed: list[str]) -> str:
    return "choose one of these" + nearest(value, allowed)


def literal_values(annotation: Any) -> list[str]:
    """The values of a Literal anywhere inside an annotation."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]

    values = []
    for inner in get_args(annotation):
        values += literal_values(inner)
    return values
