"""Methods that learn from answers which the model writes itself and rewards score."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from whet.recipe.rewards import AnyReward
from whet.recipe.strict import Strict


def _as_list(value: Any) -> Any:
    """`rewards: exact` means `rewards: [{kind: exact}]`."""
    items = value if isinstance(value, list) else [value]
    return [{"kind": item} if isinstance(item, str) else item for item in items]


class OwnAnswers(Strict):
    """A step is some prompts, and answers that the model writes to them."""

    prompts: int = Field(default=16, ge=1, description="Prompts of a step.")
    max_new_tokens: int = Field(default=256, ge=1, description="Longest answer, in tokens.")


class Rollouts(OwnAnswers):
    """What these methods share. Answers are drawn at temperature 1 from all tokens: what is learned is what was
    sampled only then."""

    rewards: Annotated[list[AnyReward], BeforeValidator(_as_list), Field(min_length=1)] = Field(
        description="What scores an answer; the first one is what the verdict compares."
    )
    samples: int = Field(default=8, ge=2, description="Answers to each prompt.")
    updates: int = Field(default=1, ge=1, description="Optimiser steps on the same answers; above 1 off-policy.")
    kl: float = Field(default=0.0, ge=0, description="How strongly the model is held to its base.")
    clip: float = Field(default=0.2, gt=0, lt=1, description="How far a probability ratio may fall below 1.")
    clip_high: float = Field(default=0.28, gt=0, description="How far it may rise above 1 (DAPO's clip-higher).")
    overlong: Literal["keep", "mask", "penalise"] = Field(
        default="keep",
        description="Answers cut off at max_new_tokens: learned as they are, left out, or punished from 80% of it on.",
    )


class Grpo(Rollouts):
    """Group relative policy optimisation: an answer is as good as it is above the mean of its group."""

    kind: Literal["grpo"] = "grpo"
    scale: Literal["group", "batch", "none"] = Field(
        default="group", description="Advantages are divided by the standard deviation of this; none: Dr. GRPO."
    )
    mean: Literal["tokens", "answers", "constant"] = Field(
        default="tokens",
        description="The loss is a mean over all tokens (DAPO), over answers' means (GRPO), or over max_new_tokens "
        "(Dr. GRPO).",
    )


class Rloo(Rollouts):
    """REINFORCE leave-one-out: an answer is as good as it is above the mean of the others of its group."""

    kind: Literal["rloo"] = "rloo"
    kl: float = Field(default=0.05, ge=0, description="The KL to the base, as a penalty in the reward.")
    clip_high: float = Field(default=0.2, gt=0, description="How far the ratio of a whole answer may rise above 1.")
    normalise: bool = Field(default=False, description="Bring the advantages of a step to mean 0 and deviation 1.")
