"""From a recipe to a method that learns from rewarded answers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from whet.data.prepare import Prepared, read_rows
from whet.data.prompt_loader import PromptLoader
from whet.model.base import Base
from whet.model.policy import Policy
from whet.recipe.rollouts import OwnAnswers
from whet.recipe.schema import Grpo, Recipe, Rloo
from whet.reward.combine import build_rewards
from whet.store.run import Run
from whet.train.grpo import GroupRelative
from whet.train.observer import Observer
from whet.train.on_policy import OnPolicy
from whet.train.rloo import LeaveOneOut
from whet.train.rollout import Sampler
from whet.types import Segment


def prompt_loader(method: OwnAnswers, prompts: Sequence[Segment], micro_batch_tokens: int, seed: int) -> PromptLoader:
    return PromptLoader(prompts, method.prompts, method.max_new_tokens, micro_batch_tokens, seed)


def rewarded_method(
    recipe: Recipe, prepared: Prepared, base: Base, policy: Policy, loader: object, run: Run, observer: Observer
) -> OnPolicy:
    """The recipe's method; reads the rows again, because rewards ask for more than their tokens."""
    method = recipe.method
    assert isinstance(method, Grpo | Rloo) and isinstance(loader, PromptLoader)
    rows = read_rows(recipe, prepared, ("trained", "validation"))
    sampler = Sampler(
        policy,
        base.tokenizer,
        prepared.renderer.stop_ids,
        base.context,
        build_rewards(method, run.folder / "judged"),
        {row.index: row for row in rows},
        method.max_new_tokens,
        recipe.seed,
    )
    shared: tuple[Any, ...] = (policy, sampler, loader)
    match method:
        case Grpo():
            return GroupRelative(*shared, method, prepared.validation, observer)
        case Rloo():
            return LeaveOneOut(*shared, method, prepared.validation, observer)
    assert_never(method)
