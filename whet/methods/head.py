"""What reward and classify share: a head in the place of the words, and a model that scores instead of writing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from whet.data.source import Source
from whet.evaluation.facts import Measured
from whet.evaluation.goal import judge_goal
from whet.evaluation.methods.headed import HeadContest, measure_headed, open_heads
from whet.evaluation.methods.reward import Finish
from whet.evaluation.opponents.of_run import oppose_head
from whet.methods.base import Method
from whet.model.adapter import causal_lm
from whet.model.heads.linear import Scorer, add_head, freeze_output_layer, reference_scores
from whet.model.heads.sequence_classifier import refuse_without_class
from whet.model.policy import Policy
from whet.observer import Observer
from whet.recipe.methods.base import MethodKeys
from whet.recipe.schema import Recipe
from whet.training.classifier_folder import HeadFacts, save_head_model
from whet.training.self_check import CheckedLoss
from whet.training.session import Session
from whet.training.training_method import Setup

Keys = TypeVar("Keys", bound=MethodKeys)


class HeadMethod(Method[Keys], ABC):
    # ---- how it trains

    def outputs_of_head(self, source: Source) -> int:
        """Raises DataError for rows without anything to tell apart."""
        return 1

    saves_checkpoints = False  # saving merges the adapter into the trunk, for good

    def prepare_model(self, recipe: Recipe, source: Source, policy: Policy) -> CheckedLoss:
        """Hang the head on. Raises ModelError for a base that could not be saved with one, DataError for rows without
        anything to tell apart."""
        refuse_without_class(policy.model, recipe.base)
        add_head(policy.model, self.outputs_of_head(source))
        freeze_output_layer(policy.model)
        return head_loss(policy)

    @abstractmethod
    def released(self, setup: Setup, scorer: Scorer) -> HeadFacts:
        """What the model says of itself beside its weights."""

    def save(self, setup: Setup) -> None:
        scorer = Scorer(setup.policy)
        released = self.released(setup, scorer)
        save_head_model(setup.run, setup.base, scorer, setup.renderer, setup.recipe, released)

    # ---- how it is measured

    def measure(self, session: Session, observer: Observer) -> Measured:
        heads = open_heads(session, observer)
        measured, lines = measure_headed(heads, partial(self.measure_head, heads))
        oppose_head(measured, lines, heads)
        measured["verdict"]["goal"] = judge_goal(heads.recipe.goal, measured, lines, heads.prepared)
        return measured, lines

    @abstractmethod
    def measure_head(self, contest: HeadContest, scorer: Scorer) -> Finish:
        """Reads the tuned model on the test rows; what it gives reads the base."""


def head_loss(policy: Policy) -> CheckedLoss:
    """The mean square of all scores of a batch, each leaf with a weight of its own: their order matters, too."""

    def weighed(scores_LK: Tensor) -> Tensor:
        weight_L = torch.linspace(1, 2, len(scores_LK), dtype=scores_LK.dtype, device=scores_LK.device)
        return (weight_L[:, None] * scores_LK.square()).mean()

    return CheckedLoss(
        lambda batch: weighed(Scorer(policy).scores(batch)),
        lambda batch: weighed(reference_scores(causal_lm(policy.model), batch)),
    )
