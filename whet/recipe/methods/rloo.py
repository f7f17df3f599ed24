"""Answers beside the mean of the others of their group."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.rollouts import Groups


class Rloo(Groups):
    """REINFORCE leave-one-out: an answer is as good as it is above the mean of the others of its group."""

    summary: ClassVar[str] = "makes those of several own answers likelier that score above the others"
    guide: ClassVar[str] = "methods/grpo.md"

    kind: Literal["rloo"] = "rloo"
    kl: float = Field(default=0.05, ge=0, description="The KL to the base, as a penalty in the reward.")
    clip_high: float = Field(default=0.2, gt=0, description="How far the ratio of a whole answer may rise above 1.")
    normalise: bool = Field(default=False, description="Bring the advantages of a step to mean 0 and deviation 1.")
