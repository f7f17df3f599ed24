"""Which weights are trained: an adapter with PEFT's options, or all of them; and what each option cannot go with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from whet.errors import RecipeError
from whet.recipe.strict import Conflict, Name, Strict, refuse_first

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

Rank = Annotated[int, Field(ge=1, le=65_536)]
Alpha = Annotated[float, Field(gt=0)]


class Lora(Strict):
    """Low-rank adapters on every linear layer and every expert; the base stays frozen."""

    kind: Literal["lora"] = "lora"
    rank: int | None = Field(
        default=None, ge=1, le=65_536, description="Default from a rule: 16, or 32 for many tokens."
    )
    alpha: float | None = Field(default=None, gt=0, description="Scale is alpha / rank; default 32.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout on the adapter's input.")
    targets: Literal["all-linear"] | list[str] = Field(default="all-linear", description="Modules that get an adapter.")
    rslora: bool = Field(
        default=False, description="Scale is alpha / sqrt(rank) (Kalajdzievski 2023), so that high ranks learn as fast."
    )
    dora: bool = Field(
        default=False,
        description="Learn the length of every weight's rows apart from their direction (Liu et al. 2024). Takes the "
        "path without Whet's kernels.",
    )
    rank_pattern: dict[Name, Rank] = Field(
        default_factory=dict,
        description="Other ranks for some modules, by the end of their name or a regular expression: {v_proj: 32}.",
    )
    alpha_pattern: dict[Name, Alpha] = Field(default_factory=dict, description="Other alphas, the same way.")
    modules_to_save: list[Name] = Field(
        default_factory=list,
        description="Modules that are trained whole and saved with the adapter, such as embed_tokens and lm_head. They "
        "learn at the adapter's rate.",
    )

    @property
    def plain_difference(self) -> bool:
        """Whether the trained weights are the base's plus a difference that B scales."""
        return not (self.dora or self.modules_to_save)


class Full(Strict):
    """Train every weight."""

    kind: Literal["full"] = "full"


def no_part_of_the_way(adapter: Lora | Full) -> str:
    """Why a model with this adapter cannot be brought nearer to its base; empty where it can."""
    if isinstance(adapter, Full) or adapter.plain_difference:
        return ""
    return no_line("dora" if adapter.dora else "modules_to_save")


def no_line(option: str) -> str:
    """Why no point between a base and an adapter with this option can be taken."""
    return f"an adapter with {option} is no plain difference from its base, so that no part of the way can be taken"


def refuse_no_part_of_the_way(recipe: Recipe, asked: str) -> None:
    """Raises RecipeError where `asked` would bring a model of this recipe nearer to its base and nothing can."""
    if why := no_part_of_the_way(recipe.adapter):
        fix = f"leave {asked} out, or that option of the adapter"
        raise RecipeError(why, where="adapter", value=recipe.adapter.model_dump(exclude_defaults=True), fix=fix)


def refuse_adapter_contradictions(recipe: Recipe, where: str) -> None:
    """Raises RecipeError for options of the adapter that the rest of the recipe cannot take."""
    adapter = recipe.adapter
    if not isinstance(adapter, Lora):
        return

    if adapter.dora:
        option = "adapter.dora: true"
    else:
        option = f"adapter.modules_to_save: {adapter.modules_to_save}"

    wrong: list[Conflict] = [
        (
            adapter.dora and recipe.quantise is not None,
            "dora needs the length of every row of the weights, which a base in 4 bits does not hold",
            "adapter.dora: true",
            "leave dora or quantise out",
        ),
        *recipe.method.refuses(recipe, "modules-to-save", bool(adapter.modules_to_save), option),
        (
            recipe.keep.scale != 1.0 and not adapter.plain_difference,
            no_part_of_the_way(adapter),
            f"keep.scale: {recipe.keep.scale} with {option}",
            "leave keep.scale out, or that option",
        ),
    ]
    refuse_first(wrong, where)
