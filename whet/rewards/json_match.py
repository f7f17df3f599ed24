"""Answers that must be JSON objects: parsing as strictly as a program would, and comparing field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any


def parse_object(text: str) -> dict[str, Any] | None:
    """The JSON object that `text` is, or None. NaN, Infinity and repeated keys are not JSON that can be relied on."""
    try:
        value = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is repeated")
    return dict(pairs)


def compare_json(reference: dict[str, Any], answer: str) -> tuple[float, dict[str, Any]]:
    """(1.0 for exactly the same object else 0.0, details).

    details: valid; field_f1 over leaves, a leaf is a path with its value and lists count by position; fields
    {top-level key: right or not}; given: the top-level keys of the answer.
    """
    given = parse_object(answer)
    if given is None:
        return 0.0, {"valid": False, "field_f1": 0.0, "fields": dict.fromkeys(reference, False), "given": []}

    wanted_leaves, given_leaves = dict(leaves(reference)), dict(leaves(given))
    hits = sum(path in given_leaves and same(value, given_leaves[path]) for path, value in wanted_leaves.items())
    total = len(wanted_leaves) + len(given_leaves)
    fields = {key: key in given and same(value, given[key]) for key, value in reference.items()}
    field_f1 = 2 * hits / total if total else 1.0
    details = {"valid": True, "field_f1": field_f1, "fields": fields, "given": list(given)}
    return float(same(reference, given)), details


def same(a: Any, b: Any) -> bool:
    """Equality of JSON values: 1 equals 1.0 but not true, which Python's == confuses."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b or is_number(a) and is_number(b) and a == b


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every scalar with its path; an empty object or list is a leaf too, except at the top."""
    if isinstance(value, dict) and (value or not path):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for position, item in enumerate(value):
            yield from leaves(item, (*path, position))
    else:
        yield path, value


def summarise_json(details: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """validity, mean field_f1, and F1 of each top-level field over the rows (a field not given is a miss)."""
    names: set[str] = set()
    for row in details:
        names |= row["fields"].keys()

    fields = {}
    for name in sorted(names):
        hits = sum(row["fields"].get(name, False) for row in details)
        wanted = sum(name in row["fields"] for row in details)
        given = sum(name in row["given"] for row in details)
        fields[name] = 2 * hits / (wanted + given)

    validity = sum(row["valid"] for row in details) / len(details)
    field_f1 = sum(row["field_f1"] for row in details) / len(details)
    return {"validity": validity, "field_f1": field_f1, "fields": fields}
