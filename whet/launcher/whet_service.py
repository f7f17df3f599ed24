"""What a `whet serve` is told beyond OpenAI's words, under `whet`: keys of the recipe, and how its rows are held out.

OpenAI's API knows one held-out file; `whet serve` takes it for the test of its own verdict, and would hold back rows
for validation once more. The verdict is made here, so it gets the training and the validation part as one file, holds
as many rows back for validation as were held back here, and tests none: it trains on as many rows as a local run.
"""

from __future__ import annotations

from typing import Any

from whet.data.prepare import Prepared
from whet.launcher.service import Service
from whet.recipe.schema import Recipe

OWNER = "whet"
"""Of a base, in the list of models."""
OBEYED = frozenset("adapter checkpoint_every dtype keep optimizer recompute schedule steps too_long".split())
"""Keys and groups of a recipe that `whet serve` obeys as a local run does, and OpenAI's API has no word for."""


def is_whet(service: Service) -> bool:
    """Whether a `whet serve` answers there. Raises RunError where nobody does."""
    facts = service.model(service.place.model)
    return facts is not None and facts.get("owned_by") == OWNER


def own_words(recipe: Recipe, prepared: Prepared) -> dict[str, Any]:
    """The value of `whet` in the request; `recipe` is the user's, before the rules have filled it."""
    held_out = prepared.ledger.summary()["held_out"]["validation"]
    asked = recipe.model_dump(mode="json", include=set(OBEYED), exclude_unset=True)
    return {**asked, "split": {"validation": held_out, "test": 0}}
