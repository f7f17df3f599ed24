"""Is a value of a JSON Schema? The keywords that describe data; a schema with any other is refused, not half obeyed.

Of draft 2020-12: type, enum, const, properties, required, additionalProperties, minProperties, maxProperties, items,
minItems, maxItems, uniqueItems, minLength, maxLength, pattern, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
multipleOf, anyOf, allOf, oneOf, not; and true and false as schemas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whet.errors import RecipeError, nearest
from whet.rewards.json_match import is_number, same

TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": lambda value: is_number(value) and float(value).is_integer(),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
SIZES: dict[str, tuple[type, Callable[[int, int], bool]]] = {
    "minProperties": (dict, int.__ge__),
    "maxProperties": (dict, int.__le__),
    "minItems": (list, int.__ge__),
    "maxItems": (list, int.__le__),
    "minLength": (str, int.__ge__),
    "maxLength": (str, int.__le__),
}
NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
    "multipleOf": lambda value, bound: float(value / bound).is_integer(),
}
LISTS = {"anyOf": any, "allOf": all, "oneOf": lambda found: sum(found) == 1}
OTHERS = ("type", "enum", "const", "properties", "required", "additionalProperties", "items", "uniqueItems", "pattern")
KEYWORDS = {*SIZES, *NUMBERS, *LISTS, *OTHERS, "not"}
WORDS = {"$schema", "$id", "$comment", "title", "description", "default", "examples"}
"""Keywords that say nothing about which values are valid."""


def read_schema(path: str) -> Any:
    """The schema in a file. Raises RecipeError."""
    try:
        schema = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        fix = "name a file with a JSON Schema, beside the recipe"
        raise RecipeError(f"the schema cannot be read: {error}", where=path, fix=fix) from error
    refuse_unknown_keywords(schema, path)
    return schema


def valid(value: Any, schema: Any) -> bool:
    """Does the value satisfy the schema?"""
    if isinstance(schema, bool):
        return schema
    return all(_holds(value, word, wanted, schema) for word, wanted in schema.items() if word not in WORDS)


def _holds(value: Any, word: str, wanted: Any, schema: dict[str, Any]) -> bool:
    """One keyword. As the standard has it, a keyword says nothing about values of another type than its own."""
    if word == "type":
        return any(TYPES[name](value) for name in ([wanted] if isinstance(wanted, str) else wanted))
    if word == "enum":
        return any(same(value, one) for one in wanted)
    if word == "const":
        return same(value, wanted)
    if word == "not":
        return not valid(value, wanted)
    if word in LISTS:
        return bool(LISTS[word]([valid(value, one) for one in wanted]))
    if word in SIZES:
        kind, compare = SIZES[word]
        return not isinstance(value, kind) or compare(len(value), wanted)
    if word in NUMBERS:
        return not is_number(value) or NUMBERS[word](value, wanted)
    if word == "pattern":
        return not isinstance(value, str) or bool(re.search(wanted, value))
    if isinstance(value, list):
        return _holds_of_list(value, word, wanted)
    return not isinstance(value, dict) or _holds_of_object(value, word, wanted, schema)


def _holds_of_list(value: list[Any], word: str, wanted: Any) -> bool:
    if word == "items":
        return all(valid(item, wanted) for item in value)
    if word == "uniqueItems" and wanted:
        return not any(same(one, other) for n, one in enumerate(value) for other in value[:n])
    return True


def _holds_of_object(value: dict[str, Any], word: str, wanted: Any, schema: dict[str, Any]) -> bool:
    if word == "required":
        return all(name in value for name in wanted)
    if word == "properties":
        return all(valid(value[name], one) for name, one in wanted.items() if name in value)
    if word == "additionalProperties":
        known = schema.get("properties", {})
        return all(valid(item, wanted) for name, item in value.items() if name not in known)
    return True


def refuse_unknown_keywords(schema: Any, where: str) -> None:
    """Raises RecipeError for a keyword that would be ignored, and for what is no schema."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise RecipeError("a JSON Schema is an object", where=where, value=schema, fix='as in {"type": "object"}')

    for word, wanted in schema.items():
        if word not in KEYWORDS | WORDS:
            what = f"the keyword {word!r} of JSON Schema is not supported{nearest(word, KEYWORDS)}"
            raise RecipeError(what, where=where, fix=f"use {', '.join(sorted(KEYWORDS))}")

        if isinstance(wanted, str):
            types = [wanted]
        else:
            types = wanted

        if word == "type" and not (isinstance(types, list) and all(name in TYPES for name in types)):
            raise RecipeError("this is no type", where=where, value=wanted, fix=f"use {', '.join(TYPES)}")
        for one in _inner(word, wanted):
            refuse_unknown_keywords(one, where)


def _inner(word: str, wanted: Any) -> list[Any]:
    """The schemas inside a keyword."""
    if word == "properties" and isinstance(wanted, dict):
        return list(wanted.values())
    if word in LISTS and isinstance(wanted, list):
        return wanted
    if word in ("items", "additionalProperties", "not"):
        return [wanted]
    return []
