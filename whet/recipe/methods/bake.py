"""A system prompt, learned so that it can be left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.base import ANSWERED, MethodKeys, RowNeeds
from whet.recipe.methods.features import Feature
from whet.recipe.sections.adapters import Full
from whet.recipe.strict import Conflict, Name

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe


class Bake(MethodKeys):
    """Prompt baking: without a system prompt the model answers as it does with it, so requests get shorter."""

    summary: ClassVar[str] = "answers so without the prompt"
    guide: ClassVar[str] = "methods/prompt-baking.md"
    rows: ClassVar[RowNeeds] = RowNeeds(forms=ANSWERED, rendering="prefixed")
    cannot: ClassVar[frozenset[Feature]] = frozenset({"failures", "drawn-answers", "replay", "kl", "hold", "retrieval"})
    no_failures: ClassVar[str] = "it learns to answer as it does under the prompt, and a row more would teach the same"

    kind: Literal["bake"] = "bake"
    prompt: Name = Field(description="The system prompt to bake in, or a .txt or .md file beside the recipe.")

    def conflicts(self, recipe: Recipe) -> list[Conflict]:
        return [
            (
                isinstance(recipe.adapter, Full),
                "bake learns from its own base, and adapter: full leaves no base to read",
                "adapter: full",
                "use adapter: lora",
            ),
            (
                recipe.system is not None,
                "the rows of bake stand without a system prompt, and `system` would give them one",
                f"system: {recipe.system}",
                "leave system out; method.prompt is the prompt that is baked in",
            ),
        ]
