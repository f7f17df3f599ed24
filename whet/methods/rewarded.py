"""What grpo, rloo and ppo share: rewards score the answers that the model writes, and the best reward is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from whet.data.prepare import Prepared, prepared_of
from whet.evaluation.contest import Contest, open_contest
from whet.evaluation.facts import Measured
from whet.evaluation.methods.rewarded import measure_rewarded
from whet.evaluation.opponents.opposition import unaskable_for
from whet.evaluation.studies.failures import ScoredAnswer
from whet.evaluation.studies.validation_answers import ask_validation
from whet.methods.own_answers import OwnAnswersMethod, prompts_of
from whet.observer import Observer
from whet.planning.tune_time import Writing
from whet.recipe.methods.rollouts import Rollouts
from whet.recipe.schema import OpponentName, Recipe
from whet.recipe.sections.rewards import AnyReward
from whet.rewards.combine import Rewards, build_rewards
from whet.store.run import JUDGED, Run
from whet.training.learners.on_policy import OnPolicyLearner
from whet.training.session import Session
from whet.training.training_method import Setup

Keys = TypeVar("Keys", bound=Rollouts)


class RewardedMethod(OwnAnswersMethod[Keys]):
    # ---- how it trains

    learns: type[OnPolicyLearner[Any]]
    """What makes a rollout into batches with advantages."""

    @property
    def rewards(self) -> Sequence[AnyReward]:
        return self.keys.rewards

    def check_early(self, recipe: Recipe) -> None:
        build_rewards(self.keys.rewards)

    def learner(self, setup: Setup) -> OnPolicyLearner[Any]:
        sampler = self.sampler(setup, self.rewards_of_run(setup.run))
        keys, held_out = self.keys, prepared_of(setup.source).validation
        return self.learns(
            setup.policy, sampler, prompts_of(setup), keys, keys.samples, keys.updates, held_out, setup.observer
        )

    def best(self, value: float | None) -> dict[str, float | None]:
        return {"best_validation_reward": None if value is None else -value}

    # ---- how it is measured

    def metric(self, recipe: Recipe, prepared: Prepared) -> str:
        by_reward = recipe.evaluate.metric == "auto" and prepared.shape.kind != "unpaired" and not prepared.shape.paired
        if by_reward:
            return "reward"
        return super().metric(recipe, prepared)

    def written_in_a_validation(self, row: float, rows: int) -> Writing:
        return Writing(rows, row, self.keys.max_new_tokens / 2, self.keys.max_new_tokens)

    def rewards_of_run(self, run: Run) -> Rewards:
        return build_rewards(self.keys.rewards, run.folder / JUDGED)

    def measure_words(self, contest: Contest, rewards: Rewards | None) -> Measured:
        assert rewards is not None
        return measure_rewarded(contest, rewards)

    def unaskable(self, recipe: Recipe) -> dict[OpponentName, str]:
        if recipe.evaluate.metric == "auto":
            return unaskable_for(self.keys.rewards)
        return {}

    def validation_answers(self, session: Session, observer: Observer) -> tuple[str, list[ScoredAnswer]]:
        contest = open_contest(session, observer)
        return ask_validation(contest, self.rewards_of_run(contest.run))
