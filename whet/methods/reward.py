"""reward: of two answers to a prompt the better one is to get the higher score."""

from __future__ import annotations

from whet.data.prepare import prepared_of
from whet.evaluation.methods.headed import HeadContest
from whet.evaluation.methods.reward import Finish, measure_rewards
from whet.methods.head import HeadMethod
from whet.model.heads.linear import Scorer
from whet.recipe.schema import Reward
from whet.training.classifier_folder import HeadFacts, end_at_stop, golden_conversations
from whet.training.learner import Learner
from whet.training.learners.reward import RewardLearner
from whet.training.training_method import Setup

CONFIG = {"problem_type": "regression", "id2label": {0: "reward"}, "label2id": {"reward": 0}}


class RewardMethod(HeadMethod[Reward]):
    # ---- how it trains

    def learner(self, setup: Setup) -> Learner:
        return RewardLearner(Scorer(setup.policy), setup.loader, self.keys, prepared_of(setup.source).targets)

    def released(self, setup: Setup, scorer: Scorer) -> HeadFacts:
        return HeadFacts(golden_conversations(setup.renderer), dict(CONFIG), end_at_stop(setup.renderer))

    # ---- how it is measured

    def measure_head(self, contest: HeadContest, scorer: Scorer) -> Finish:
        return measure_rewards(scorer, contest)


METHOD = RewardMethod
