"""What the methods share that learn from answers which the model writes itself and rewards score."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.features import Feature, Refusal
from whet.recipe.methods.own_answers import OwnAnswers
from whet.recipe.methods.usual import DataFacts, Work, usual_rate
from whet.recipe.sections.adapters import Full
from whet.recipe.sections.rewards import SomeRewards
from whet.recipe.strict import Conflict

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

UNDER_SFT = 12.0
"""An answer's gradient says less than a token's: Tinker takes 4e-5 for GRPO with a LoRA where these rules give sft some
5e-4, TRL 1e-5; on the bundled base 5e-4 learned (bench/shown/grpo.py)."""


class Rollouts(OwnAnswers):
    """What these methods share. Answers are drawn at temperature 1 from all tokens: what is learned is what was
    sampled only then."""

    by_last_answer: ClassVar[bool] = True

    rewards: SomeRewards = Field(description="What scores an answer; the first one is what the verdict compares.")
    updates: int = Field(default=1, ge=1, description="Optimiser steps on the same answers; above 1 off-policy.")
    kl: float = Field(default=0.0, ge=0, description="How strongly the model is held to its base.")
    clip: float = Field(default=0.2, gt=0, lt=1, description="How far a probability ratio may fall below 1.")
    clip_high: float = Field(default=0.28, gt=0, description="How far it may rise above 1 (DAPO's clip-higher).")
    overlong: Literal["keep", "mask", "penalise"] = Field(
        default="keep",
        description="Answers cut off at max_new_tokens: learned as they are, left out, or punished from 80% of it on.",
    )

    def why_not(self, feature: Feature, recipe: Recipe) -> Refusal | None:
        if feature == "scale-auto" and recipe.evaluate.metric == "auto":
            what = f"the verdict on {self.name} is by its reward, and a scale is chosen by a metric of answers, so "
            what += "that the two could disagree"
            fix = "name evaluate.metric, which both then use; or give a number, such as keep.scale: 0.7"
            return Refusal(what, fix, self.name)
        return super().why_not(feature, recipe)

    def conflicts(self, recipe: Recipe) -> list[Conflict]:
        return [
            *super().conflicts(recipe),
            (
                self.kl > 0 and isinstance(recipe.adapter, Full),
                "a KL to the base needs the base's weights, and adapter: full trains them away",
                f"kl: {self.kl}",
                "set method.kl: 0, or use adapter: lora",
            ),
            (
                recipe.checkpoint_every is not None and recipe.checkpoint_every % self.updates != 0,
                "a run goes on where new answers are written, every `method.updates` steps",
                f"checkpoint_every: {recipe.checkpoint_every}",
                f"make checkpoint_every a multiple of {self.updates}",
            ),
        ]

    def work(self, recipe: Recipe, facts: DataFacts) -> Work:
        return Work(facts.rows, self.prompts / self.updates, "prompts")

    def checkpoint_every(self, every: int) -> int:
        return self.updates * max(1, every // self.updates)

    def rate(self, hidden: int) -> tuple[float, str]:
        rate, source = usual_rate(hidden)
        return rate / UNDER_SFT, f"{source}, divided by {UNDER_SFT:g} for rewarded answers (tinker-cookbook)"


class Groups(Rollouts):
    """Methods that compare the answers to a prompt with each other."""

    samples: int = Field(default=8, ge=2, le=65_536, description="Answers to each prompt.")
