"""Where a method with a head departs from a language model: the head itself, how a batch is read, and its loss."""

from __future__ import annotations

import torch
from torch import Tensor

from whet.data.prepare import Prepared
from whet.model.adapter import causal_lm
from whet.model.heads.linear import Scorer, add_head, freeze_words, reference_scores
from whet.model.heads.sequence_classifier import refuse_without_class
from whet.model.policy import Policy
from whet.recipe.schema import Classify, HeadMethod, Recipe, Reward
from whet.training.learners.classify import Classification, class_weights, outputs_of, targets_of
from whet.training.learners.next_token import BatchSource
from whet.training.learners.reward import RewardModelling
from whet.training.loop import Method
from whet.training.self_check import Reading


def add_head_for(recipe: Recipe, prepared: Prepared, policy: Policy) -> None:
    """Hang the head on. Raises ModelError for a base that could not be saved with one, DataError for rows without
    anything to tell apart."""
    refuse_without_class(policy.model, recipe.base)
    method = recipe.method
    count = outputs_of(method, prepared).count if isinstance(method, Classify) else 1
    add_head(policy.model, count)
    freeze_words(policy.model)


def head_reading(policy: Policy) -> Reading:
    """The mean square of all scores of a batch, each leaf with a weight of its own: their order matters, too."""

    def weighed(scores_LK: Tensor) -> Tensor:
        weight_L = torch.linspace(1, 2, len(scores_LK), dtype=scores_LK.dtype, device=scores_LK.device)
        return (weight_L[:, None] * scores_LK.square()).mean()

    return Reading(
        lambda batch: weighed(Scorer(policy).scores(batch)),
        lambda batch: weighed(reference_scores(causal_lm(policy.model), batch)),
    )


def head_method(method: HeadMethod, prepared: Prepared, policy: Policy, loader: BatchSource) -> Method:
    """The loss of a recipe's method with a head."""
    scorer = Scorer(policy)
    if isinstance(method, Reward):
        return RewardModelling(scorer, loader, method, prepared.targets)
    outputs = outputs_of(method, prepared)
    weight_K = class_weights(method, outputs, targets_of(prepared, "train"))
    return Classification(scorer, loader, outputs, weight_K, prepared.targets)
