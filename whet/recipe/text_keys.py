"""Which keys of a recipe hold a text, whatever it looks like: such a value is taken as it is given, from Python and
from the command line, where a prompt with `: ` would else be a group and one with ` #` would lose its end."""

from __future__ import annotations

import types
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from whet.errors import RecipeError
from whet.recipe.schema import Recipe
from whet.recipe.yaml_text import parse


def is_text(key: str) -> bool:
    """Whether the dotted `key` takes a text, and nothing that a text could spell: no number, no group of keys. A list
    beside the text is a list in Python, too. Unknown keys are none."""
    kinds = _kinds_of(key)
    return str in kinds and all(kind in (str, type(None)) or get_origin(kind) in (list, Literal) for kind in kinds)


def _kinds_of(key: str) -> list[Any]:
    """The types that the dotted key may have."""
    *groups, last = key.split(".")
    models: list[type[BaseModel]] = [Recipe]
    for group in groups:
        inner = chain.from_iterable(_kinds(model, group) for model in models)
        models = [kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return list(chain.from_iterable(_kinds(model, last) for model in models))


def as_written(key: str, text: str, place: str) -> Any:
    """What `--set` says of such a key: the text without blanks at its ends. Only what can be meant in no other way is
    read as YAML: a text that is quoted from end to end, a list where the key takes one, and nothing at all (`null`).

    Raises RecipeError for what is no text, as an argument that is not UTF-8 is.
    """
    bare = text.strip()
    if bare in ("", "~", "null"):
        return None
    if any("\ud800" <= letter <= "\udfff" for letter in bare):
        raise RecipeError("this is not UTF-8 text", where=place, value=bare, fix="write it in UTF-8")

    quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\""
    listed = bare[0] == "[" and any(get_origin(kind) is list for kind in _kinds_of(key))
    if listed:
        return parse(bare, place)[0]

    try:
        value = parse(bare, place)[0] if quoted else bare
    except RecipeError:  # "yes", he said, "no"
        return bare

    return value if isinstance(value, str) else bare


def _kinds(model: type[BaseModel], name: str) -> list[Any]:
    """The types that a key may have, of several methods or adapters those of each."""
    field = model.model_fields.get(name)
    if field is None:
        return []
    return list(_members(field.annotation))


def _members(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        yield from _members(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for one in get_args(kind):
            yield from _members(one)
    else:
        yield kind
