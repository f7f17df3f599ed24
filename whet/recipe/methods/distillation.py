"""Methods that learn from another distribution instead of from given words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from whet.recipe.methods.rollouts import OwnAnswers
from whet.recipe.strict import Name, Strict


class Bake(Strict):
    """Prompt baking: without a system prompt the model answers as it does with it, so requests get shorter."""

    kind: Literal["bake"] = "bake"
    prompt: Name = Field(description="The system prompt to bake in, or a .txt or .md file beside the recipe.")


class Distil(OwnAnswers):
    """On-policy distillation: the model writes answers, and learns at every token what the teacher would have said."""

    kind: Literal["distil"] = "distil"
    teacher: Name = Field(
        description="A run, a named model, a folder, nano or a Hub name, with the base's own tokenizer."
    )
    samples: int = Field(default=1, ge=1, description="Answers to each prompt.")
