"""Tools with strict: true: a call is given as one only where its arguments follow the tool's schema."""

from __future__ import annotations

import re
from typing import Any

from whet.errors import RecipeError
from whet.rewards.json_schema import refuse_unknown_keywords, valid
from whet.server.errors import unsupported

DEEPEST = 32
"""Of references within references: a schema of a value that holds itself is refused."""
DEFINITIONS = ("$defs", "definitions")


def strict_schemas(tools: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The schemas of strict tools by name, without references. Raises ApiError for one that calls cannot be held to."""
    schemas = {}
    for number, tool in enumerate(tools or []):
        function = tool["function"]
        if not function.get("strict"):
            continue
        where = f"tools.{number}.function.strict"
        schema = function.get("parameters") or {"type": "object"}
        try:
            schemas[function["name"]] = _inlined(schema, schema, DEEPEST)
            refuse_unknown_keywords(schemas[function["name"]], where)
        except RecipeError as error:
            raise unsupported(where, f"{error.what}; leave strict out, and check the arguments.") from error
    return schemas


def follows(arguments: Any, schema: Any) -> bool:
    """False, too, for a schema whose keywords hold other values than they may."""
    try:
        return valid(arguments, schema)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, re.error, RecursionError):
        return False


def _inlined(schema: Any, root: dict[str, Any], depth: int) -> Any:
    """With each reference to a definition replaced by it. Raises RecipeError."""
    if isinstance(schema, list):
        return [_inlined(one, root, depth) for one in schema]
    if not isinstance(schema, dict):
        return schema

    reference = schema.get("$ref")
    if isinstance(reference, str):
        parts = reference.split("/")
        found = root.get(parts[1], {}).get(parts[2]) if len(parts) == 3 and parts[1] in DEFINITIONS else None
        if found is None or depth == 0:
            raise RecipeError(f"calls cannot be held to the reference {reference!r}")
        return _inlined(found, root, depth - 1)
    kept = {key: value for key, value in schema.items() if schema is not root or key not in DEFINITIONS}
    return {key: _inlined(value, root, depth) for key, value in kept.items()}
