"""What the model shall keep of its base, what is measured to see it, and how much may be lost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from whet.recipe.file_key import FileKey
from whet.recipe.strict import Name, Strict

BASE, NOTHING = "base", "none"
"""As `keep.replay`: the base's own answers; and nothing, as `keep: false` says it."""
Share = Annotated[float, Field(ge=0, lt=1)]
ROWS = FileKey("rows", words=frozenset({BASE, NOTHING}), counts=True, confined=True)
TASKS = FileKey("task", words=frozenset({BASE, NOTHING}), confined=True)


class Keep(Strict):
    """What holds the model near its base while it learns: general rows beside the task's, a KL, a part of the way.
    A recipe that says none of the first keys gets them from a rule; `keep: false` is `replay: none`."""

    replay: Annotated[Name | None, ROWS] = Field(
        default=None,
        description="base: the base's own answers to general prompts; or a file of general rows; or none.",
    )
    prompts: Annotated[Name | None, ROWS] = Field(
        default=None,
        description="For replay: base and scale: auto. Rows of prompts, or of the beginnings of texts; default: those "
        "that the base brings in its folder, else Whet's own.",
    )
    ratio: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the loss, and about of the tokens, that is replay in a step that has any.",
    )
    every: int | None = Field(default=None, ge=1, description="Replay stands in every n-th step.")
    kl: float | None = Field(
        default=None,
        ge=0,
        description="Weight of KL(base || model), on the replay or else the answers. On the base's own words it takes "
        "the place of learning them.",
    )
    scale: Literal["auto"] | Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Share of the way from base to tuned that is taken; auto: chosen on validation rows."
    )

    @property
    def replays(self) -> bool:
        return self.replay not in (None, NOTHING)


def switched(value: object) -> object:
    """`keep: false` and `keep: true` as the keys that they stand for."""
    if value is False:
        return {"replay": NOTHING}
    if value is True:
        return {}
    return value


class Forgetting(Strict):
    """What is measured beside the task, and the loss that is accepted: the interval's bad end must stay within it."""

    suites: Annotated[list[Name], ROWS] = Field(
        default=[], description="Files of prompts with answers, asked before and after."
    )
    lm_eval: Annotated[list[Name], TASKS] = Field(
        default=[], description="Tasks of lm-eval, by name or as their own YAML files."
    )
    lm_eval_limit: int | None = Field(default=None, ge=1, description="Documents of each of these tasks; default: all.")
    text: float | None = Field(default=None, gt=0, description="Budget: rise of the loss on general text, as a share.")
    score: Share | None = Field(default=None, gt=0, description="Budget: fall of a suite's score, 0.02 is 2 points.")
    kl: float | None = Field(
        default=None, gt=0, description="Budget: KL from base to tuned on the task's prompts; default: none."
    )
