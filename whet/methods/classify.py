"""classify: each row has classes, or a number, and the head is to say which."""

from __future__ import annotations

from typing import Any

from whet.data.prepare import Prepared, prepared_of
from whet.data.source import Source
from whet.errors import RecipeError
from whet.evaluation.methods.classify import measure_classes
from whet.evaluation.methods.headed import HeadContest, open_heads
from whet.evaluation.methods.regression import METRIC
from whet.evaluation.methods.reward import Finish
from whet.evaluation.studies.failures import ScoredAnswer
from whet.evaluation.studies.validation_answers import classify_validation
from whet.methods.head import HeadMethod
from whet.model.heads.linear import Scorer
from whet.observer import Observer
from whet.recipe.rules import Choice
from whet.recipe.schema import Classify, Recipe
from whet.training.classifier_folder import HeadFacts, golden_texts, threshold_facts
from whet.training.learner import Learner
from whet.training.learners.classify import ClassifyLearner, class_weights, outputs_of, targets_of
from whet.training.session import Session
from whet.training.training_method import Setup


class ClassifyMethod(HeadMethod[Classify]):
    # ---- how it trains

    by_accuracy = True

    def settle(self, recipe: Recipe, source: Source) -> tuple[Recipe, list[Choice]]:
        if recipe.evaluate.metric != "auto":
            what = "classify is measured by what it names, as its task asks"
            metric = recipe.evaluate.metric
            raise RecipeError(what, where="evaluate.metric", value=metric, fix="leave evaluate.metric out")
        return recipe, []

    def outputs_of_head(self, source: Source) -> int:
        return outputs_of(self.keys, prepared_of(source)).count

    def learner(self, setup: Setup) -> Learner:
        prepared = prepared_of(setup.source)
        outputs = outputs_of(self.keys, prepared)
        weight_K = class_weights(self.keys, outputs, targets_of(prepared, "train"))
        return ClassifyLearner(Scorer(setup.policy), setup.loader, outputs, weight_K, prepared.targets)

    def released(self, setup: Setup, scorer: Scorer) -> HeadFacts:
        prepared = prepared_of(setup.source)
        outputs = outputs_of(self.keys, prepared)
        facts: dict[str, Any] = {
            "task": outputs.task, "labels": list(outputs.names), "mean": outputs.mean, "spread": outputs.spread,
        }  # fmt: skip
        facts |= threshold_facts(scorer, self.keys, outputs, prepared)
        texts = golden_texts(setup.base.tokenizer)
        return HeadFacts(texts, outputs.config(), setup.renderer.chat_template, facts)

    # ---- how it is measured

    def refuse_rows(self, recipe: Recipe, source: Source) -> None:
        self.outputs_of_head(source)

    def metric(self, recipe: Recipe, prepared: Prepared) -> str:
        return {"single": "accuracy", "multi-label": "label-f1", "regression": METRIC}[self.keys.task]

    def measure_head(self, contest: HeadContest, scorer: Scorer) -> Finish:
        return measure_classes(scorer, contest.head, contest)

    def validation_answers(self, session: Session, observer: Observer) -> tuple[str, list[ScoredAnswer]]:
        return classify_validation(open_heads(session, observer))


METHOD = ClassifyMethod
