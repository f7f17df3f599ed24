"""Whether the rows are what the recipe's method learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whet.errors import DataError
from whet.recipe.schema import Recipe

if TYPE_CHECKING:
    from whet.data.shape import Shape


def refuse_other_method(shape: Shape, recipe: Recipe) -> None:
    """Raises DataError for pairs and marked answers that are not to be learned as such, and for dpo and kto without
    them."""
    method, paired, marked = recipe.method.kind, shape.paired, shape.kind == "unpaired"
    if paired and method not in ("auto", "dpo"):
        prompt, chosen = shape.columns.get("prompt"), shape.columns.get("chosen")
        columns = f"{{prompt: {prompt}, completion: {chosen}}}" if prompt else f"{{text: {chosen}}}"
        alone = f"; or, to learn the chosen answers alone, set columns: {columns}" if chosen else ""
        raise DataError(
            f"these are preference pairs (chosen, rejected), which {method} does not learn from",
            value=shape.describe(),
            fix=f"set method: dpo{alone}",
        )
    if marked and method not in ("auto", "kto"):
        raise DataError(
            f"these are answers marked good or bad (true, false); {method} would learn the bad ones too",
            value=shape.describe(),
            fix="set method: kto; or keep the rows marked true and leave the marks out",
        )
    if method == "kto" and not marked:
        raise DataError(
            "kto learns from answers that are marked good or bad, and these rows hold no mark",
            value=shape.describe(),
            fix="name the column of marks: columns: {prompt: ..., completion: ..., label: ...}; or leave method out",
        )
    if method == "dpo" and not paired:
        raise DataError(
            "dpo learns from preference pairs, and these rows hold none",
            value=shape.describe(),
            fix="name the two answers: columns: {prompt: ..., chosen: ..., rejected: ...}; or set method: sft",
        )
