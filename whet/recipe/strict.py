"""What every part of a recipe is: strict about keys and types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from whet.errors import RecipeError

Name = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]
"""A path or a name: an empty one would mean the current folder."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)


def refuse_first(wrong: Iterable[tuple[bool, str, object, str]], where: str) -> None:
    """Raises RecipeError for the first of (found, what, value, fix) that was found: keys that are right alone and wrong
    together."""
    for found, what, value, fix in wrong:
        if found:
            raise RecipeError(what, where=where, value=value, fix=fix)
