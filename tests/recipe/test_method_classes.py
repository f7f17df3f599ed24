"""Every training method says of itself what the rest of the house asks, and adds no key by saying it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from whet.recipe.methods import KINDS, AnyMethod, method_for
from whet.recipe.methods.base import Kind, MethodKeys, Rendering
from whet.recipe.methods.features import SENTENCES, Feature
from whet.recipe.schema import Method, Recipe, Sft

DOCS = Path(__file__).parents[2] / "docs"
OWN = "kind prompts samples max_new_tokens".split()
REWARDED = [*OWN[1:], *"rewards updates kl clip clip_high overlong kind".split()]
FIELDS = {
    "auto": ["kind"],
    "pretrain": ["kind", "context", "from_scratch"],
    "sft": ["kind"],
    "dpo": ["kind", "loss", "beta", "gamma", "label_smoothing", "sft_weight"],
    "kto": ["kind", "beta", "desirable_weight", "undesirable_weight"],
    "reward": ["kind", "center"],
    "classify": ["kind", "task", "class_weights", "thresholds"],
    "grpo": [*REWARDED, "scale", "mean"],
    "rloo": [*REWARDED, "normalise"],
    "ppo": [*REWARDED, *"kl_target critic value_weight value_clip discount trace whiten entropy".split()],
    "bake": ["kind", "prompt"],
    "distil": [*OWN[1:], "kind", "teacher"],
}
"""In their order: it is that of a recipe's file, and each is part of a run's name."""


def name_of(kind: type[MethodKeys]) -> str:
    return str(kind.model_fields["kind"].default)


@pytest.fixture(params=KINDS, ids=name_of)
def kind(request: pytest.FixtureRequest) -> type[MethodKeys]:
    return request.param


def one(kind: type[MethodKeys]) -> MethodKeys:
    """A method with nothing but what it must be told."""
    told = {"rewards": [{"kind": "length", "most": 9}], "prompt": "Be brief.", "teacher": "nano"}
    return kind.model_validate({key: value for key, value in told.items() if key in kind.model_fields})


def test_no_key_is_added_and_their_order_stays(kind: type[MethodKeys]) -> None:
    assert list(kind.model_fields) == FIELDS[name_of(kind)]


def test_the_union_of_the_recipe_is_made_of_the_same_classes() -> None:
    assert set(map(name_of, KINDS)) == set(FIELDS)
    assert set(get_args(get_args(Method)[0])) == set(KINDS) == set(get_args(AnyMethod))
    for kind in KINDS:
        asked = {"kind": name_of(kind)} | one(kind).model_dump(exclude={"kind"}, exclude_unset=True)
        assert type(Recipe.model_validate({"data": "x", "method": asked}).method) is kind


def test_each_is_in_a_file_of_its_name(kind: type[MethodKeys]) -> None:
    assert kind.__module__ == f"whet.recipe.methods.{name_of(kind)}"
    assert one(kind).name == name_of(kind)


def test_the_page_of_methods_has_its_row(kind: type[MethodKeys]) -> None:
    page = DOCS / "methods" / "README.md"
    rows = [line for line in page.read_text("utf-8").splitlines() if re.match(r"\|.*\|.*\|.*\|$", line)]
    own = [line for line in rows if f"`{name_of(kind)}`" in line.split("|")[2]]
    assert own and any(line.split("|")[3].strip() == kind.summary for line in own), f"a row: {kind.summary}"
    guide = DOCS / kind.guide
    assert guide.is_file()
    linked = [target for line in own for target in re.findall(r"\]\(([^)#]+)", line)]
    assert guide == page or any((page.parent / target).resolve() == guide.resolve() for target in linked)


def test_what_it_cannot_has_a_sentence(kind: type[MethodKeys]) -> None:
    assert set(SENTENCES) == set(get_args(Feature))
    method, recipe = one(kind), Recipe(data="x")
    for feature in get_args(Feature):
        why = method.why_not(feature, recipe)
        assert (why is not None) or feature not in kind.cannot, feature
        if why is not None:
            assert why.what and why.fix and "{" not in why.what, feature
    assert ("failures" in kind.cannot) == ("no_failures" in vars(kind)) or name_of(kind) == "auto"


@pytest.mark.parametrize(
    ("asked", "keys", "feature", "sentence"),
    [
        ("kto", {}, "failures", "failures are looked for among answers to validation rows, and kto has none: a mark"),
        ("grpo", {}, "curve", "a learning curve is drawn over examples with answers, and grpo has none"),
        ("grpo", {}, "scale-auto", "the verdict on grpo is by its reward, and a scale is chosen by a metric of"),
        ("pretrain", {"from_scratch": True}, "quantise", "from_scratch trains weights that do not exist yet"),
        ("classify", {"task": "regression"}, "curve", "a learning curve needs scores from 0 to 1"),
        ("reward", {}, "frontier", "reward trains a new head"),
    ],
)
def test_the_sentence_names_the_method(asked: str, keys: dict[str, object], feature: Feature, sentence: str) -> None:
    kind = next(one for one in KINDS if name_of(one) == asked)
    why = one(kind).model_copy(update=keys).why_not(feature, Recipe(data="x"))
    assert why is not None and why.what.startswith(sentence)


def test_a_likelihood_cannot_fail() -> None:
    recipe = Recipe.model_validate({"data": "x", "method": {"kind": "sft"}, "evaluate": {"metric": "nll"}})
    why = recipe.method.why_not("failures", recipe)
    assert why is not None and (why.what, why.value) == ("a likelihood is no answer that could fail", "nll")
    assert Sft().why_not("failures", Recipe(data="x")) is None


@pytest.mark.parametrize("form", get_args(Kind))
def test_rows_of_every_form_are_learned_by_some_method(form: Kind) -> None:
    learners = {name_of(kind) for kind in KINDS if form in kind.rows.forms}
    assert learners - {"auto"}
    chosen, reason = method_for(form)
    assert reason and (form in chosen.rows.forms or form == "prompt")
    assert chosen.kind == {"preference": "dpo", "ranking": "dpo", "unpaired": "kto"}.get(form, "sft")


def test_each_way_to_tokens_is_that_of_a_method() -> None:
    assert {kind.rows.rendering for kind in KINDS} == set(get_args(Rendering))


def test_the_longest_own_answer_is_the_methods_key(kind: type[MethodKeys]) -> None:
    asked = one(kind).model_copy(update={"max_new_tokens": 7})
    assert asked.answer_tokens == (7 if "max_new_tokens" in kind.model_fields else None)
    assert (asked.rows.rendering == "prompt") == (asked.answer_tokens is not None)
