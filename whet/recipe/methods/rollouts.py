"""Methods that learn from answers which the model writes itself and rewards score."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from whet.recipe.sections.rewards import SomeRewards
from whet.recipe.strict import Strict


class OwnAnswers(Strict):
    """A step is some prompts, and answers that the model writes to them."""

    prompts: int = Field(default=16, ge=1, le=65_536, description="Prompts of a step.")
    samples: int = Field(default=8, ge=1, le=65_536, description="Answers to each prompt.")
    max_new_tokens: int = Field(default=256, ge=1, description="Longest answer, in tokens.")


class Rollouts(OwnAnswers):
    """What these methods share. Answers are drawn at temperature 1 from all tokens: what is learned is what was
    sampled only then."""

    rewards: SomeRewards = Field(
        description="What scores an answer; the first one is what the verdict compares."
    )
    updates: int = Field(default=1, ge=1, description="Optimiser steps on the same answers; above 1 off-policy.")
    kl: float = Field(default=0.0, ge=0, description="How strongly the model is held to its base.")
    clip: float = Field(default=0.2, gt=0, lt=1, description="How far a probability ratio may fall below 1.")
    clip_high: float = Field(default=0.28, gt=0, description="How far it may rise above 1 (DAPO's clip-higher).")
    overlong: Literal["keep", "mask", "penalise"] = Field(
        default="keep",
        description="Answers cut off at max_new_tokens: learned as they are, left out, or punished from 80% of it on.",
    )


class Groups(Rollouts):
    """Methods that compare the answers to a prompt with each other."""

    samples: int = Field(default=8, ge=2, le=65_536, description="Answers to each prompt.")


class Grpo(Groups):
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


class Rloo(Groups):
    """REINFORCE leave-one-out: an answer is as good as it is above the mean of the others of its group."""

    kind: Literal["rloo"] = "rloo"
    kl: float = Field(default=0.05, ge=0, description="The KL to the base, as a penalty in the reward.")
    clip_high: float = Field(default=0.2, gt=0, description="How far the ratio of a whole answer may rise above 1.")
    normalise: bool = Field(default=False, description="Bring the advantages of a step to mean 0 and deviation 1.")


class Ppo(Rollouts):
    """Proximal policy optimisation: a value head learns what to expect; an answer is as good as it is above that."""

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
