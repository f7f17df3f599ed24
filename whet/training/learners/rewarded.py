"""From a recipe to a method that learns from rewarded answers of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from whet.data.batches.prompt_loader import PromptLoader
from whet.data.prepare import Prepared, read_rows
from whet.model.base import Base
from whet.model.policy import Policy
from whet.observer import Observer
from whet.recipe.schema import Distil, Grpo, Ppo, Recipe, Rloo
from whet.rewards.combine import build_rewards
from whet.store.run import JUDGED, Run
from whet.training.learners.grpo import GroupRelative
from whet.training.learners.on_policy import OnPolicy
from whet.training.learners.ppo import Proximal
from whet.training.learners.rloo import LeaveOneOut
from whet.training.learners.rollout import Sampler
from whet.types import Segment


def prompt_loader(
    method: Grpo | Rloo | Ppo | Distil, prompts: Sequence[Segment], micro_batch_tokens: int, seed: int
) -> PromptLoader:
    return PromptLoader(prompts, method.prompts, method.max_new_tokens, micro_batch_tokens, seed)


def rewarded_method(
    recipe: Recipe, prepared: Prepared, base: Base, policy: Policy, loader: object, run: Run, observer: Observer
) -> OnPolicy[Grpo] | OnPolicy[Rloo] | OnPolicy[Ppo]:
    """The recipe's method; reads the rows again, because rewards ask for more than their tokens."""
    method = recipe.method
    assert isinstance(method, Grpo | Rloo | Ppo) and isinstance(loader, PromptLoader)
    rows = read_rows(recipe, prepared, ("trained", "validation"))
    sampler = Sampler(
        policy,
        base.tokenizer,
        prepared.renderer.stop_ids,
        base.context,
        build_rewards(method.rewards, run.folder / JUDGED),
        {row.index: row for row in rows},
        method.max_new_tokens,
        recipe.seed,
    )
    parts = (policy, sampler, loader)
    rest = (method.samples, method.updates, prepared.validation, observer)
    match method:
        case Grpo():
            return GroupRelative(*parts, method, *rest)
        case Rloo():
            return LeaveOneOut(*parts, method, *rest)
        case Ppo():
            return Proximal(*parts, method, *rest)
    assert_never(method)
