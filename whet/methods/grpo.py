"""grpo: an answer is as good as it is above the mean of its group."""

from __future__ import annotations

from whet.methods.rewarded import RewardedMethod
from whet.recipe.schema import Grpo
from whet.training.learners.grpo import GrpoLearner


class GrpoMethod(RewardedMethod[Grpo]):
    # ---- how it trains

    learns = GrpoLearner


METHOD = GrpoMethod
