"""ppo: a value head says what to expect, and a token is as good as what comes after is above that."""

from __future__ import annotations

from whet.methods.rewarded import RewardedMethod
from whet.recipe.schema import Ppo
from whet.training.learners.ppo import PpoLearner


class PpoMethod(RewardedMethod[Ppo]):
    # ---- how it trains

    learns = PpoLearner


METHOD = PpoMethod
