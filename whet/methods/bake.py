"""bake: without a system prompt the model learns to say what its base says with it."""

from __future__ import annotations

from whet.data.batches.system_prefix import front_of
from whet.evaluation.contest import Contest
from whet.evaluation.facts import Measured
from whet.evaluation.methods.bake import measure_baked
from whet.methods.base import Method
from whet.recipe.schema import Bake, OpponentName, Recipe
from whet.training.learner import Learner
from whet.training.learners.bake import Baking
from whet.training.method import Setup


class BakeMethod(Method[Bake]):
    # ---- how it trains

    def learner(self, setup: Setup) -> Learner:
        return Baking(setup.policy, setup.loader, front_of(setup.source.renderer, self.keys.prompt))

    # ---- how it is measured

    def measure_words(self, contest: Contest) -> Measured:
        return measure_baked(contest, self.keys.prompt)

    def unaskable(self, recipe: Recipe) -> dict[OpponentName, str]:
        return {"prompted": "a prompt is what was baked in; the base under that prompt stands under `bake`"}


METHOD = BakeMethod
