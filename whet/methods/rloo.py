"""rloo: an answer is as good as it is above the mean of the others of its group."""

from __future__ import annotations

from whet.methods.rewarded import RewardedMethod
from whet.recipe.schema import Rloo
from whet.training.learners.rloo import RlooLearner


class RlooMethod(RewardedMethod[Rloo]):
    # ---- how it trains

    learns = RlooLearner


METHOD = RlooMethod
