"""What is left out of one layer is noticed in 16 bits, too, where rounding is larger than the mistake."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tiny_models import CONFIGS, grove, tiny
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.attention import forest as attention
from whet.model.float32_copy import in_float32
from whet.model.logits.logprob import Head
from whet.model.policy import Policy
from whet.recipe.schema import Full, Lora
from whet.training.layerwise import LAYER_LIMIT, largest_difference, layer_of
from whet.training.self_check import CheckedLoss, SelfCheck, next_token_loss, self_check
from whet.types import Batch

ADAPTER = Lora(rank=4, alpha=8.0)
KIND: Any = Policy.head


def policy_of(name: str, adapter: Lora | Full = ADAPTER, changes: dict[str, Any] | None = None) -> Policy:
    model = add_adapter(tiny(name, **changes or {}).to(torch.bfloat16), adapter, seed=0)
    install_forest(model)
    return Policy(model)


def checked(policy: Policy) -> SelfCheck:
    return self_check(policy, grove(), "auto")


@pytest.mark.parametrize("name", CONFIGS)
def test_right_paths_pass_in_bfloat16_far_below_the_limit(name: str) -> None:
    policy = policy_of(name)
    before = {key: p.detach().clone() for key, p in policy.model.named_parameters()}
    check = checked(policy)
    assert check.passed and check.path in ("fused", "forest"), check.reason
    assert check.layer_difference is not None and check.layer_difference < LAYER_LIMIT / 10
    for key, parameter in policy.model.named_parameters():
        assert parameter.dtype == torch.bfloat16 and parameter.equal(before[key]), "widened and narrowed exactly"


@pytest.mark.parametrize(
    ("left_out", "name", "changes"),
    [
        ("softcap", "Gemma2", {"final_logit_softcapping": 30.0}),
        ("scale", "Cohere", {"logit_scale": 0.98}),
        ("scale", "Granite", {"logits_scaling": 1.02}),
    ],
)
def test_a_softcap_or_a_scale_of_the_head_left_out_is_noticed(
    left_out: str, name: str, changes: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def head(policy: Policy) -> Head:
        right: Head = KIND.fget(policy)
        softcap = None if left_out == "softcap" else right.softcap
        return Head(right.weight_VD, right.bias_V, 1.0 if left_out == "scale" else right.scale, softcap)

    monkeypatch.setattr(Policy, "head", property(head))
    policy = policy_of(name, changes=changes)
    check = checked(policy)
    assert not check.passed and check.path == "plain" and not policy.use_forest, check.reason


@pytest.mark.parametrize("adapter", [ADAPTER, Full()], ids=["adapter", "whole"])
@pytest.mark.parametrize(
    ("name", "changes", "wrong"),
    [("Gemma2", {"attn_logit_softcapping": 50.0}, "softcap"), ("Granite", {"attention_multiplier": 0.2}, "scaling")],
)
def test_one_layers_softcap_or_scale_that_the_fast_path_gets_wrong_is_noticed(
    name: str, changes: dict[str, float], wrong: str, adapter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Smaller than the rounding of bfloat16 over the whole, and in one layer only. The plain path shares no kernel."""
    policy, calls = policy_of(name, adapter, changes), []

    def attend(query: Any, key: Any, value: Any, mask: Any, scale: Any, softcap: Any, dropout: Any) -> Any:
        calls.append(1)
        last = len(calls) % 2 == 0  # of two layers
        factor = 1.01 if last and wrong == "scaling" else 1.0
        return right(query, key, value, mask, scale * factor, None if last and wrong == "softcap" else softcap, dropout)

    right = attention.attend
    monkeypatch.setattr("whet.model.attention.forest.attend", attend)
    monkeypatch.setattr("whet.training.self_check.fuse", lambda model: "left out here")
    check = checked(policy)
    assert not check.passed and check.path == "plain", check.reason
    assert "layer" in check.reason and calls


class Steeper(torch.autograd.Function):
    """The same numbers, with a gradient that is 1% too large."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        return grads[0] * 1.01


def test_a_gradient_that_is_wrong_by_a_hundredth_in_one_layer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, calls = policy_of("Granite"), []

    def attend(*args: Any) -> torch.Tensor:
        calls.append(1)
        out = right(*args)
        return Steeper.apply(out) if len(calls) % 2 == 0 else out  # pyright: ignore[reportReturnType]

    right = attention.attend
    monkeypatch.setattr("whet.model.attention.forest.attend", attend)
    monkeypatch.setattr("whet.training.self_check.fuse", lambda model: "left out here")
    check = checked(policy)
    assert not check.passed and "in float32 loss by 0.0e+00" in check.reason, check.reason


def test_layers_are_measured_one_by_one() -> None:
    names = ["model.layers.0.q", "model.layers.1.q", "model.embed"]
    theirs = [torch.full((4,), 100.0), torch.full((4,), 1.0), torch.zeros(4)]
    ours = [theirs[0], theirs[1] + 0.01, theirs[2]]
    difference, layer = largest_difference(names, ours, theirs)
    assert layer == "layer 1" and difference == pytest.approx(0.01, rel=1e-3)
    assert layer_of("model.embed_tokens.weight") == "outside the layers"


def test_widening_is_undone_after_an_error() -> None:
    model = tiny("Llama").to(torch.bfloat16)
    with pytest.raises(ZeroDivisionError), in_float32(model):
        assert next(model.parameters()).dtype == torch.float32
        _ = 1 / 0
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


EXPERTS = {"num_local_experts": 16, "num_hidden_layers": 8, "hidden_size": 64}
"""So many that the last bit sends single tokens elsewhere, and bfloat16 alone would speak against every fast path."""


@pytest.mark.parametrize("seed", [0, 2])
def test_a_mixture_of_experts_in_bfloat16_takes_the_fast_path(seed: int) -> None:
    policy = policy_of("Mixtral", changes=EXPERTS | {"seed": seed})
    check = checked(policy)
    assert check.passed and check.path == "forest", check.reason
    assert "other experts" in check.reason and check.layer_difference is not None


def test_a_mixture_of_experts_whose_fast_path_is_wrong_still_takes_the_plain_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = policy_of("Mixtral", changes=EXPERTS)
    right = attention.attend
    steeper: Any = lambda q, k, v, mask, scale, *rest: right(q, k, v, mask, 1.01 * scale, *rest)  # noqa: E731
    monkeypatch.setattr("whet.model.attention.forest.attend", steeper)
    monkeypatch.setattr("whet.training.self_check.forest_refusal", lambda model: None)
    check = checked(policy)
    assert not check.passed and check.path == "plain", check.reason


def flex_that(policy: Policy, times: float, wide: bool) -> CheckedLoss:
    """FlexAttention, played by the forest's pass: in 16 bits its loss is wrong by this factor, in float32 it is right,
    or does not run."""
    right = next_token_loss(policy)

    def fast(batch: Batch) -> torch.Tensor:
        if next(policy.model.parameters()).dtype == torch.float32:
            if not wide:
                raise RuntimeError("no float32 here")
            return right.plain(batch)
        policy.flat = False
        try:
            return right.fast(batch) * times
        finally:
            policy.flat = True

    return CheckedLoss(fast, right.plain)


def test_single_tokens_do_not_explain_what_float32_cannot_show_or_what_is_far_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where FlexAttention did not run in float32 a loss that was wrong by 600% once passed: nothing was compared."""
    monkeypatch.setattr("whet.training.self_check._candidates", lambda policy, wanted, kept: ("flex",))
    monkeypatch.setattr("whet.training.self_check._faster", lambda policy, reading, check, whole: check)
    policy = policy_of("Mixtral", changes={"num_local_experts": 4})
    for times, wide in ((1.06, False), (7.0, False), (7.0, True), (torch.nan, True)):
        check = self_check(policy, grove(), "auto", flex_that(policy, times, wide))
        assert not check.passed and check.path == "plain" and not policy.use_forest, (times, wide, check.reason)
    check = self_check(policy, grove(), "auto", flex_that(policy, 1.06, wide=True))
    assert check.path == "flex" and "other experts" in check.reason, "as before where float32 shows it to be right"
