"""Answers beside what a value head expects."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.rollouts import Rollouts
from whet.recipe.sections.adapters import Full
from whet.recipe.strict import Conflict

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe


class Ppo(Rollouts):
    """Proximal policy optimisation: a value head learns what to expect; an answer is as good as it is above that."""

    summary: ClassVar[str] = "learns from one own answer a prompt, with a value head"
    guide: ClassVar[str] = "methods/ppo.md"

    kind: Literal["ppo"] = "ppo"
    prompts: int = Field(default=64, ge=1, le=65_536, description="Prompts of a rollout.")
    samples: int = Field(default=1, ge=1, le=65_536, description="Answers to each prompt.")
    updates: int = Field(default=4, ge=1, description="Optimiser steps on the same answers.")
    kl: float = Field(default=0.05, ge=0, description="The KL to the base, as a penalty of each token's reward.")
    kl_target: float | None = Field(
        default=None, gt=0, description="KL of an answer in nats that `kl` is steered to; default: kl stays as it is."
    )
    clip_high: float = Field(default=0.2, gt=0, description="How far a probability ratio may rise above 1.")
    critic: Literal["shared", "frozen"] = Field(
        default="shared", description="The value head reads the model that learns, or its base, which stays as it is."
    )
    value_weight: float = Field(default=0.1, ge=0, description="What the value's loss counts for.")
    value_clip: float = Field(default=0.2, gt=0, description="How far a value may move from its old one in a rollout.")
    discount: float = Field(default=1.0, gt=0, le=1, description="What a reward counts for one token earlier (gamma).")
    trace: float = Field(default=0.95, ge=0, le=1, description="How far advantages trust later rewards (lambda).")
    whiten: bool = Field(default=True, description="Bring the advantages of a rollout to mean 0 and deviation 1.")
    entropy: float = Field(default=0.0, ge=0, description="Weight of a bonus for undecided next tokens.")

    def conflicts(self, recipe: Recipe) -> list[Conflict]:
        return [
            *super().conflicts(recipe),
            (
                self.critic == "frozen" and isinstance(recipe.adapter, Full),
                "a frozen critic reads the base's weights, and adapter: full trains them away",
                "critic: frozen",
                "set method.critic: shared, or use adapter: lora",
            ),
        ]
