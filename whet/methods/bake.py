"""bake: without a system prompt the model learns to say what its base says with it."""

from __future__ import annotations

from whet.data.batches.system_prefix import system_prefix
from whet.evaluation.contest import Contest
from whet.evaluation.facts import Measured
from whet.evaluation.methods.bake import measure_baked
from whet.methods.base import Method
from whet.recipe.schema import Bake, OpponentName, Recipe
from whet.rewards.combine import Rewards
from whet.training.learner import Learner
from whet.training.learners.bake import BakeLearner
from whet.training.training_method import Setup


class BakeMethod(Method[Bake]):
    # ---- how it trains

    def learner(self, setup: Setup) -> Learner:
        return BakeLearner(setup.policy, setup.loader, system_prefix(setup.source.renderer, self.keys.prompt))

    # ---- how it is measured

    def measure_words(self, contest: Contest, rewards: Rewards | None) -> Measured:
        return measure_baked(contest, self.keys.prompt)

    def unaskable(self, recipe: Recipe) -> dict[OpponentName, str]:
        return {"prompted": "a prompt is what was baked in; the base under that prompt stands under `bake`"}


METHOD = BakeMethod
