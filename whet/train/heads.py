"""Where a method with a head departs from a language model: the head itself, how a batch is read, and its loss."""

from __future__ import annotations

from whet.data.prepare import Prepared
from whet.model.adapter import causal_lm
from whet.model.classifier import refuse_without_class
from whet.model.head import Scorer, add_head, reference_scores
from whet.model.policy import Policy
from whet.recipe.schema import Classify, HeadMethod, Recipe, Reward
from whet.train.classify import Classification, class_weights, outputs_of, targets_of
from whet.train.loop import Method
from whet.train.material import Material
from whet.train.methods import BatchSource
from whet.train.reward import RewardModelling
from whet.train.selfcheck import Reading


def add_head_for(recipe: Recipe, material: Material, policy: Policy) -> None:
    """Hang the head on. Raises ModelError for a base that could not be saved with one, DataError for rows without
    anything to tell apart."""
    refuse_without_class(policy.model, recipe.base)
    method = recipe.method
    count = outputs_of(method, rows_of(material)).count if isinstance(method, Classify) else 1
    add_head(policy.model, count)


def head_reading(policy: Policy) -> Reading:
    """The mean square of all scores of a batch."""
    scorer = Scorer(policy)
    return Reading(
        lambda batch: scorer.scores(batch).square().mean(),
        lambda batch: reference_scores(causal_lm(policy.model), batch).square().mean(),
    )


def head_method(method: HeadMethod, material: Material, policy: Policy, loader: BatchSource) -> Method:
    """The loss of a recipe's method with a head."""
    prepared, scorer = rows_of(material), Scorer(policy)
    if isinstance(method, Reward):
        return RewardModelling(scorer, loader, method, prepared.targets)
    outputs = outputs_of(method, prepared)
    weight_K = class_weights(method, outputs, targets_of(prepared, "train"))
    return Classification(scorer, loader, outputs, weight_K, prepared.targets)


def rows_of(material: Material) -> Prepared:
    assert isinstance(material.source, Prepared)  # a method with a head has no corpus
    return material.source
