"""Answers beside the mean of their group."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from whet.recipe.methods.rollouts import Groups


class Grpo(Groups):
    """Group relative policy optimisation: an answer is as good as it is above the mean of its group."""

    summary: ClassVar[str] = "makes those of several own answers likelier that score above the others"
    guide: ClassVar[str] = "methods/grpo.md"

    kind: Literal["grpo"] = "grpo"
    scale: Literal["group", "batch", "none"] = Field(
        default="group", description="Advantages are divided by the standard deviation of this; none: Dr. GRPO."
    )
    mean: Literal["tokens", "answers", "constant"] = Field(
        default="tokens",
        description="The loss is a mean over all tokens (DAPO), over answers' means (GRPO), or over max_new_tokens "
        "(Dr. GRPO).",
    )
