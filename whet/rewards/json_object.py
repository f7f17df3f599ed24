"""JSON answers: is it an object of the schema, and how well does it match the reference?"""

from __future__ import annotations

from collections.abc import Sequence

from whet.errors import DataError
from whet.recipe.schema import JsonObject
from whet.rewards.json_match import compare_json, parse_object
from whet.rewards.json_schema import read_schema, valid
from whet.rewards.protocol import reference_of
from whet.types import Message, Row


class JsonReward:
    """0 for an answer that does not parse to an object of the schema, whatever it says."""

    def __init__(self, settings: JsonObject) -> None:
        """Raises RecipeError for a schema that cannot be read."""
        self.match = settings.match
        if settings.schema_file:
            self.schema = read_schema(settings.schema_file)
        else:
            self.schema = None

    def __call__(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
        return [self._score(answer, row) for answer, row in zip(answers, rows, strict=True)]

    def _score(self, answer: str, row: Row) -> float:
        if self.match == "none":
            reference = None
        else:
            reference = parse_object(reference_of(row, "json"))

        if self.match != "none" and reference is None:
            fix = "write references as JSON objects, or set match: none"
            raise DataError("the reference is not a JSON object", where=row.where, value=row.reference, fix=fix)

        given = parse_object(answer)
        if given is None or (self.schema is not None and not valid(given, self.schema)):
            return 0.0
        if reference is None:
            return 1.0

        same, details = compare_json(reference, answer)
        if self.match == "exact":
            return same
        return float(details["field_f1"])
