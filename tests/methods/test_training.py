"""The training half of every method: it is found by its name, and holds to what a run asks of it."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from whet.data.pretrain.corpus import Corpus
from whet.errors import DataError, RecipeError
from whet.methods import method_of
from whet.methods.base import Method
from whet.recipe.methods import KINDS
from whet.recipe.methods.base import MethodKeys
from whet.recipe.schema import Classify, Dpo, Exact, Grpo, Pretrain, Recipe, Sft
from whet.training.learner import BaseLearner
from whet.training.training_method import TrainingMethod
from whet.types import Batch, LossOut

MEMBERS = sorted(name for name in vars(TrainingMethod) if not name.startswith("_")) + list(
    TrainingMethod.__annotations__
)


def recipe(**keys: Any) -> Recipe:
    return Recipe(data="rows.jsonl", **keys)


def rows(kind: str) -> Any:
    """Of a source what settling a method looks at."""
    return SimpleNamespace(kind=kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model_fields["kind"].default)
def test_every_kind_has_a_method_of_its_own_name_with_all_that_a_run_asks(kind: type[MethodKeys]) -> None:
    keys = kind.model_construct()
    found = import_module(f"whet.methods.{keys.name}").METHOD
    method = method_of(Recipe.model_construct(method=keys))
    assert type(method) is found and found is not Method and issubclass(found, Method)
    assert method.keys is keys
    assert [name for name in MEMBERS if not hasattr(found, name)] == []


@pytest.mark.parametrize(
    ("form", "kind"), [("preference", "dpo"), ("ranking", "dpo"), ("chat", "sft"), ("text", "sft"), ("label", "sft")]
)
def test_auto_is_settled_by_the_form_of_the_rows(form: str, kind: str) -> None:
    asked = recipe()
    settled, choices = method_of(asked).settle(asked, rows(form))
    assert settled.method.kind == kind and asked.method.kind == "auto"
    assert [(choice.key, choice.value) for choice in choices] == [("method", kind)]


def test_a_method_that_is_named_stays() -> None:
    asked = recipe(method=Dpo(beta=0.3))
    assert method_of(asked).settle(asked, rows("preference")) == (asked, [])


@pytest.mark.parametrize(
    ("method", "form", "metric"),
    [(Sft(), "chat", "preference-accuracy"), (Dpo(), "preference", "chrf"), (Classify(), "label", "exact-match")],
)
def test_a_metric_that_the_rows_cannot_be_measured_with_is_refused(method: Any, form: str, metric: str) -> None:
    asked = recipe(method=method, evaluate={"metric": metric})
    with pytest.raises(RecipeError, match=r"evaluate\.metric"):
        method_of(asked).settle(asked, rows(form))


def test_the_best_validation_is_a_loss_or_a_reward_with_its_own_sign() -> None:
    assert method_of(recipe(method=Sft())).best(0.5) == {"best_validation_loss": 0.5}
    rewarded = method_of(recipe(method=Grpo(rewards=[Exact()])))
    assert rewarded.best(-0.25) == {"best_validation_reward": 0.25}
    assert rewarded.best(None) == {"best_validation_reward": None}


def test_a_text_that_is_shorter_than_its_block_is_one_block_and_hardly_any_is_refused() -> None:
    asked = recipe(method=Pretrain(context=64))
    pretrain: Any = method_of(asked)

    def corpus(tokens: int) -> Corpus:
        nothing: Any = None
        return Corpus(range(tokens), nothing, nothing, nothing, nothing, nothing, False)  # type: ignore[arg-type]

    assert pretrain.longest(asked, corpus(1000)) == 64
    assert pretrain.longest(asked, corpus(20)) == 20
    with pytest.raises(DataError, match="hardly any text"):
        pretrain.longest(asked, corpus(7))


def test_a_learner_says_nothing_of_what_it_does_not_do() -> None:
    class Plain(BaseLearner):
        def batches(self, step: int) -> list[Batch]:
            return []

        def loss(self, batch: Batch) -> LossOut:
            raise AssertionError("no batch is read here")

    one, other = Plain(), Plain()
    batches: list[Batch] = []
    assert one.validation(batches) is batches and one.score() is None and one.last_check() is one
    assert not one.writes_answers
    one.state["kl_weight"] = 1.0
    assert other.state == {}, "each learner has a state of its own"
