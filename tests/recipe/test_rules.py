"""The rules fill what is left out, never what is set, and their numbers are those of their sources."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whet.recipe.load import load_recipe
from whet.recipe.rules import LEAST_STEPS, Choice, DataFacts, fill_defaults
from whet.recipe.schema import Dpo, Kto, Recipe

FILLED = ["learning_rate", "batch_tokens", "micro_batch_tokens", "epochs", "steps", "max_tokens", "checkpoint_every"]


def facts(**changes: Any) -> DataFacts:
    base: dict[str, Any] = {"rows": 1000, "tokens": 90_000, "supervised_tokens": 20_000, "hidden_size": 256}
    return DataFacts(**{**base, "parameters": 5_000_000, "context": 512, **changes})


def chosen(recipe: Recipe, given_facts: DataFacts) -> tuple[Recipe, dict[str, Choice]]:
    resolved, choices = fill_defaults(recipe, given_facts)
    return resolved, {choice.key: choice for choice in choices}


def test_every_key_is_filled_and_every_choice_has_a_reason() -> None:
    recipe = Recipe(data="a")
    resolved, choices = chosen(recipe, facts())
    kept = {"keep.replay", "keep.ratio", "keep.every", "keep.kl"}
    assert set(choices) == {*FILLED, *kept, "adapter.rank", "adapter.alpha", "evaluate.every", "schedule.kind"}
    assert all(getattr(resolved, key) == choices[key].value for key in FILLED)
    assert all(choice.reason.endswith(".") and len(choice.reason) > 20 for choice in choices.values())
    assert recipe == Recipe(data="a"), "the recipe that was asked for stays as it is"


def test_what_is_set_is_never_changed() -> None:
    asked = ["learning_rate=1", "batch_tokens=7", "epochs=9", "steps=3", "adapter.rank=5", "adapter.alpha=6"]
    asked += ["micro_batch_tokens=7", "evaluate.every=2", "checkpoint_every=4", "max_tokens=99", "keep=false"]
    asked += ["schedule.kind=linear"]
    recipe = load_recipe({"data": "a"}, asked)
    assert chosen(recipe, facts()) == (recipe, {})


def test_a_resolved_recipe_has_nothing_left_to_choose() -> None:
    resolved, _ = chosen(Recipe(data="a"), facts())
    assert chosen(resolved, facts(rows=5, tokens=7)) == (resolved, {})


@pytest.mark.parametrize(("method", "hidden", "rate"), [("pretrain", 1024, 5.27e-4), ("sft", 4096, 2.86e-4)])
def test_lora_rates_are_those_of_tinkers_table(method: str, hidden: int, rate: float) -> None:
    """The lower of the two families that Tinker fitted: Qwen at 1024, Llama at 4096."""
    resolved, _ = chosen(load_recipe({"data": "a", "method": method}), facts(hidden_size=hidden))
    assert resolved.learning_rate == pytest.approx(rate, rel=0.02)


def test_the_rate_of_sft_has_no_jump_and_falls_as_the_base_grows() -> None:
    """3e-3 at 192 and 5e-4 at 2000 are given; 5.5e-4 was too low at 576."""
    sizes = [192, 256, 400, 511, 512, 576, 1024, 1999, 2000, 2048, 4096]
    recipe = load_recipe({"data": "a", "method": "sft"})
    rates = [chosen(recipe, facts(hidden_size=size))[0].learning_rate or 0.0 for size in sizes]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(3e-3, rel=0.02) and rates[8] == pytest.approx(5e-4, rel=0.01)
    assert rates[5] == pytest.approx(1.3e-3, rel=0.03)
    assert rates[4] == pytest.approx(rates[3], rel=0.03)


@pytest.mark.parametrize("hidden", [192, 256, 320, 1024, 4096])
def test_a_lora_learns_ten_times_as_fast(hidden: int) -> None:
    lora, _ = chosen(Recipe(data="a"), facts(hidden_size=hidden))
    full, _ = chosen(load_recipe({"data": "a", "adapter": "full"}), facts(hidden_size=hidden))
    assert lora.learning_rate == pytest.approx(10 * (full.learning_rate or 0), rel=0.05)


def test_the_bundled_base_gets_its_measured_rates() -> None:
    lora, _ = chosen(load_recipe({"data": "a", "method": "sft"}), facts(hidden_size=192))
    full, _ = chosen(load_recipe({"data": "a", "method": "sft", "adapter": "full"}), facts(hidden_size=192))
    assert lora.learning_rate == 3e-3
    assert full.learning_rate == 3e-4


@pytest.mark.parametrize(("rows", "epochs"), [(10, 10), (4, 25), (20, 5), (33, 3), (34, 3), (8333, 3), (10_000, 2)])
def test_epochs_follow_openais_rule(rows: int, epochs: int) -> None:
    """3; below 100 row-passes min(25, 100 // n); above 25,000 max(1, 25000 // n)."""
    resolved, _ = chosen(Recipe(data="a"), facts(rows=rows, tokens=rows * 90, supervised_tokens=rows * 50))
    assert resolved.epochs == epochs


def test_rows_with_short_answers_count_for_less_in_the_bound_for_large_sets() -> None:
    """A label of 5 tokens is a tenth of an ordinary answer: 20,000 such rows are still seen three times."""
    for rows, epochs in ((20_000, 3), (160_000, 1)):
        resolved, _ = chosen(Recipe(data="a"), facts(rows=rows, tokens=rows * 30, supervised_tokens=rows * 5))
        assert resolved.epochs == epochs


@pytest.mark.parametrize("method", ["sft", "classify"])
def test_a_run_whose_length_nobody_set_may_go_on_while_validation_improves(method: str) -> None:
    resolved, choices = chosen(load_recipe({"data": "a", "method": method}), facts())
    usual, _ = chosen(load_recipe({"data": "a", "method": method, "epochs": 3}), facts())
    assert (resolved.schedule.kind, usual.schedule.kind) == ("hold", "cosine")
    assert resolved.schedule.shortest == usual.steps and resolved.steps == 4 * (usual.steps or 0)
    assert resolved.epochs == 12 and "at least 3" in choices["epochs"].reason
    assert resolved.evaluate.every == usual.evaluate.every, "validations are as often as in a run of three epochs"
    assert resolved.batch_tokens == usual.batch_tokens


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "dpo"},
        {"steps": 100},
        {"epochs": 5},
        {"split": {"validation": 0}},
        {"evaluate": {"early_stop": False}},
    ],
)
def test_a_run_that_nothing_could_end_has_its_length_beforehand(changes: dict[str, Any]) -> None:
    resolved, choices = chosen(load_recipe({"data": "a", "method": "sft", **changes}), facts())
    assert resolved.schedule.kind == choices["schedule.kind"].value == "cosine" and resolved.schedule.shortest is None


def test_many_tokens_are_read_three_times_and_no_more() -> None:
    """Four times the passes only up to two million tokens in all, so that the time stays in bounds."""
    for tokens, longest in ((100_000, 12), (300_000, 6.7), (600_000, 3)):
        resolved, _ = chosen(load_recipe({"data": "a", "method": "sft"}), facts(tokens=tokens))
        assert resolved.epochs == longest


@given(st.integers(1, 200_000), st.integers(2, 2000))
def test_there_are_always_enough_steps_and_they_cover_the_epochs(rows: int, mean: int) -> None:
    resolved, _ = chosen(Recipe(data="a"), facts(rows=rows, tokens=rows * mean))
    assert resolved.steps and resolved.batch_tokens and resolved.epochs
    assert resolved.steps >= LEAST_STEPS
    assert resolved.steps * resolved.batch_tokens >= rows * mean * resolved.epochs
    assert resolved.batch_tokens <= max(16, 32 * mean)
    assert math.log2(resolved.batch_tokens).is_integer()


def test_the_users_epochs_are_not_stretched() -> None:
    resolved, _ = chosen(Recipe(data="a", epochs=1, batch_tokens=1000), facts(rows=10, tokens=5000))
    assert resolved.steps == 5


def test_the_users_steps_win_over_epochs() -> None:
    resolved, _ = chosen(Recipe(data="a", steps=50, batch_tokens=900), facts())
    assert (resolved.steps, resolved.epochs) == (50, 0.5)


@pytest.mark.parametrize("method", ["sft", "pretrain"])
def test_the_batch_does_not_promise_more_steps_than_the_user_asked_for(method: str) -> None:
    _, free = chosen(load_recipe({"data": "a", "method": method}), facts())
    _, asked = chosen(load_recipe({"data": "a", "method": method, "steps": 40}), facts())
    assert asked["batch_tokens"].value == free["batch_tokens"].value
    assert re.search("epochs were made|1 epoch was made", asked["batch_tokens"].reason)
    assert "40 steps" in asked["epochs"].reason
    assert " made" not in free["batch_tokens"].reason


def test_rank_grows_with_the_tokens_to_learn_and_alpha_stays() -> None:
    small, large = (chosen(Recipe(data="a"), facts(supervised_tokens=n))[1] for n in (10_000, 50_000_000))
    assert (small["adapter.rank"].value, large["adapter.rank"].value) == (16, 32)
    assert small["adapter.alpha"].value == large["adapter.alpha"].value == 32.0


def test_a_full_tune_has_no_rank() -> None:
    assert not any(
        key.startswith("adapter.") for key in chosen(load_recipe({"data": "a", "adapter": "full"}), facts())[1]
    )


def test_pretraining_from_scratch_follows_kaplan_and_chinchilla() -> None:
    recipe = load_recipe({"data": "a", "method": "pretrain", "adapter": "full"})
    resolved, choices = chosen(recipe, facts(tokens=20_000_000, from_scratch=True, context=2048))
    assert resolved.learning_rate == pytest.approx(3.239e-3 - 1.395e-4 * math.log(5_000_000), rel=0.05)
    assert resolved.epochs == 4
    assert choices["method.context"].value == 1024
    assert chosen(recipe, facts(tokens=20_000_000))[0].epochs == 1


def test_pairs_are_learned_once_and_at_a_thirtieth_of_the_rate() -> None:
    """For a large model that is the published range: LoRA 5e-6 to 1e-5, all weights 5e-7 to 1e-6."""
    for adapter, low, high in (("lora", 5e-6, 1e-5), ("full", 5e-7, 1e-6)):
        recipe = load_recipe({"data": "a", "method": "dpo", "adapter": adapter})
        resolved, choices = chosen(recipe, facts(hidden_size=4096))
        assert resolved.learning_rate is not None and low <= resolved.learning_rate <= high
        assert resolved.epochs == 1 and "preference pairs" in choices["learning_rate"].reason


@pytest.mark.parametrize(
    ("loss", "beta", "gamma", "sft_weight"),
    [
        ("sigmoid", 0.1, None, 0.0),
        ("sigmoid-norm", 5.0, None, 0.0),
        ("simpo", 2.0, 0.5, 0.0),
        ("orpo", 0.1, None, 1.0),
    ],
)
def test_what_a_preference_loss_wants(loss: str, beta: float, gamma: float | None, sft_weight: float) -> None:
    resolved, _ = chosen(load_recipe({"data": "a", "method": {"kind": "dpo", "loss": loss}}), facts())
    assert isinstance(resolved.method, Dpo)
    assert (resolved.method.beta, resolved.method.gamma, resolved.method.sft_weight) == (beta, gamma, sft_weight)
    asked = {"kind": "dpo", "loss": loss, "beta": 0.7, "sft_weight": 0.3}
    resolved, choices = chosen(load_recipe({"data": "a", "method": asked}), facts())
    assert isinstance(resolved.method, Dpo) and (resolved.method.beta, resolved.method.sft_weight) == (0.7, 0.3)
    assert "method.beta" not in choices, "what the user set is kept"


def test_orpo_is_trained_faster_than_dpo_because_it_is_mostly_sft() -> None:
    rates = []
    for method in ("sft", {"kind": "dpo", "loss": "orpo"}, "dpo"):
        recipe = load_recipe({"data": "a", "method": method, "adapter": "full"})
        rates.append(chosen(recipe, facts(hidden_size=4096))[0].learning_rate or 0.0)
    assert rates[0] > 5e-6 <= rates[1] <= 8e-6 < rates[0] and rates[2] < rates[1]


@pytest.mark.parametrize(
    ("good", "bad", "asked", "expected"),
    [
        (500, 500, {}, (1.0, 1.0)),
        (560, 440, {}, (1.0, 1.0)),
        (800, 200, {}, (1.0, 3.0)),
        (200, 800, {}, (4.0, 1.0)),
        (800, 200, {"undesirable_weight": 1.0}, (1 / 3, 1.0)),
        (200, 800, {"undesirable_weight": 1.0}, (4.0, 1.0)),
        (500, 500, {"desirable_weight": 2.0}, (2.0, 1.5)),
        (500, 500, {"desirable_weight": 3.0, "undesirable_weight": 1.0}, (3.0, 1.0)),
    ],
)
def test_good_answers_together_weigh_as_much_as_bad_ones_to_a_third_more(
    good: int, bad: int, asked: dict[str, float], expected: tuple[float, float]
) -> None:
    recipe = load_recipe({"data": "a", "method": {"kind": "kto", **asked}})
    resolved, _ = chosen(recipe, facts(rows=good + bad, desirable=good))
    assert isinstance(resolved.method, Kto)
    found = (resolved.method.desirable_weight or 0.0, resolved.method.undesirable_weight or 0.0)
    assert found == pytest.approx(expected, rel=0.02)
    if len(asked) < 2:
        assert 0.95 <= found[0] * good / (found[1] * bad) <= 4 / 3 * 1.05


def test_a_step_of_kto_has_rows_enough_to_estimate_its_reference_point() -> None:
    resolved, choices = chosen(load_recipe({"data": "a", "method": "kto"}), facts(rows=100, tokens=5_000))
    assert resolved.batch_tokens is not None and resolved.batch_tokens >= 8 * 50
    assert "reference point" in choices["batch_tokens"].reason


@pytest.mark.parametrize("method", ["reward", "classify"])
@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_a_head_takes_a_third_of_the_rate(method: str, adapter: str) -> None:
    words = load_recipe({"data": "a", "method": "sft", "adapter": adapter})
    head = load_recipe({"data": "a", "method": method, "adapter": adapter})
    rates = [chosen(recipe, facts(hidden_size=4096))[0].learning_rate for recipe in (words, head)]
    assert rates[0] and rates[1] == pytest.approx(rates[0] / 3, rel=0.03)
    _, found = chosen(head, facts(hidden_size=4096))
    small = chosen(head, facts(hidden_size=192))[0].learning_rate
    assert small == pytest.approx((6e-3 if adapter == "lora" else 6e-4) / 1.5, rel=0.03)
    assert "for a head" in found["learning_rate"].reason
    assert (found["epochs"].value == 1) == (method == "reward")
