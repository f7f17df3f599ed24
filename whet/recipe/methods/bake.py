"""A system prompt, learned so that it can be left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from whet.recipe.file_key import FileKey
from whet.recipe.methods.base import ANSWERED, NAME_PROMPTS, Kind, MethodKeys, PlanNeeds, RowNeeds
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
    prompt: Annotated[Name, FileKey("prompt", confined=True, inlined=True, everywhere=True)] = Field(
        description="The system prompt to bake in, or a .txt or .md file beside the recipe."
    )

    def conflicts(self, recipe: Recipe) -> list[Conflict]:
        return [
            (
                isinstance(recipe.adapter, Full),
                "bake learns from its base's weights, and adapter: full trains them away",
                "adapter: full",
                "use adapter: lora",
            ),
            (
                recipe.system is not None,
                "bake reads its rows without a system prompt, and `system` would give them one",
                f"system: {recipe.system}",
                "leave system out; method.prompt is the prompt that is baked in",
            ),
        ]

    @property
    def prefix(self) -> str:
        return self.prompt

    def cache_key(self) -> str:
        return f"baked {self.prompt}"

    def plan(self) -> PlanNeeds:
        again = "the base reads every batch once more, with the prompt and no gradient: that time is not counted"
        return PlanNeeds(notes=(again,))

    def other_rows(self, form: Kind) -> tuple[str, str]:
        if form != "text":
            return super().other_rows(form)
        return f"{self.name} needs prompts, and these rows are plain text", NAME_PROMPTS
