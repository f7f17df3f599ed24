"""bake: without a system prompt the model learns to say what its base says with it."""

from __future__ import annotations

from whet.data.batches.system_prefix import front_of
from whet.methods.base import Method
from whet.recipe.schema import Bake
from whet.training.learner import Learner
from whet.training.learners.bake import Baking
from whet.training.method import Setup


class BakeMethod(Method[Bake]):
    # ---- how it trains

    def learner(self, setup: Setup) -> Learner:
        return Baking(setup.policy, setup.loader, front_of(setup.source.renderer, self.keys.prompt))


METHOD = BakeMethod
