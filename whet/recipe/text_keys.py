"""Which keys of a recipe hold a text, whatever it looks like: from Python such a value is taken as it is given."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from whet.recipe.schema import Recipe


def is_text(key: str) -> bool:
    """Whether the dotted `key` takes a text, and nothing that a text could spell: no number, no group of keys. A list
    beside the text is a list in Python, too. Unknown keys are none."""
    *groups, last = key.split(".")
    models: list[type[BaseModel]] = [Recipe]
    for group in groups:
        inner = [kind for model in models for kind in _kinds(model, group)]
        models = [kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)]
    kinds = [kind for model in models for kind in _kinds(model, last)]
    return str in kinds and all(kind in (str, type(None)) or get_origin(kind) in (list, Literal) for kind in kinds)


def _kinds(model: type[BaseModel], name: str) -> list[Any]:
    """The types that a key may have, of several methods or adapters those of each."""
    field = model.model_fields.get(name)
    return [] if field is None else list(_members(field.annotation))


def _members(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        yield from _members(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for one in get_args(kind):
            yield from _members(one)
    else:
        yield kind
