"""What grpo, rloo and ppo share: rewards score the answers that the model writes, and the best reward is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from whet.data.prepare import prepared_of
from whet.methods.own_answers import OwnAnswersMethod, prompts_of
from whet.recipe.methods.rollouts import Rollouts
from whet.recipe.schema import Recipe
from whet.recipe.sections.rewards import AnyReward
from whet.rewards.combine import build_rewards
from whet.store.run import JUDGED
from whet.training.learners.on_policy import OnPolicy
from whet.training.method import Setup

Keys = TypeVar("Keys", bound=Rollouts)


class RewardedMethod(OwnAnswersMethod[Keys]):
    # ---- how it trains

    learns: type[OnPolicy[Any]]
    """What makes a rollout into batches with advantages."""

    @property
    def rewards(self) -> Sequence[AnyReward]:
        return self.keys.rewards

    def check_early(self, recipe: Recipe) -> None:
        build_rewards(self.keys.rewards)

    def learner(self, setup: Setup) -> OnPolicy[Any]:
        sampler = self.sampler(setup, build_rewards(self.keys.rewards, setup.run.folder / JUDGED))
        keys, held_out = self.keys, prepared_of(setup.source).validation
        return self.learns(
            setup.policy, sampler, prompts_of(setup), keys, keys.samples, keys.updates, held_out, setup.observer
        )

    def best(self, value: float | None) -> dict[str, float | None]:
        return {"best_validation_reward": None if value is None else -value}
