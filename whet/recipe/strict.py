"""What every part of a recipe is: strict about keys and types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from whet.errors import RecipeError

Name = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]
"""A path or a name: an empty one would mean the current folder."""


LARGEST_WHOLE, LARGEST = 10**12, 1e30
"""No count of tokens, rows or steps is larger, and no number that float32 can still reckon with: what lies beyond would
overflow somewhere in the middle of the work."""


Conflict = tuple[bool, str, object, str]
"""(found, what, value, fix)."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _refuse_beyond_all_measure(cls, value: object) -> object:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int) and abs(one) > LARGEST_WHOLE:
                raise PydanticCustomError("beyond", "a number up to {most}", {"most": f"{LARGEST_WHOLE:,}"})
            if isinstance(one, float) and abs(one) > LARGEST:
                raise PydanticCustomError("beyond", "a number up to {most}", {"most": f"{LARGEST:g}"})
        return value


def refuse_first(wrong: Iterable[Conflict], where: str) -> None:
    """Raises RecipeError for the first conflict that was found: keys that are right alone and wrong together."""
    for found, what, value, fix in wrong:
        if found:
            raise RecipeError(what, where=where, value=value, fix=fix)
