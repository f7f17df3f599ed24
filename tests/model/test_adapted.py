"""An adapted layer as one function: PEFT's own numbers, and nothing of a 4-bit weight kept in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.model.quantised_bases import adapted, quantised, saved
from tests.tiny_models import grove, loss_and_gradients
from whet.model.adapter import add_adapter, without_adapter
from whet.model.fused.adapted import AdaptedForward, adapted_linear
from whet.model.fused.linear import read_product
from whet.model.policy import Policy
from whet.model.quantised.nf4 import dequantised
from whet.recipe.schema import Lora

pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed (the extra quant)")

TOLERANCE = 1e-5
"""Relative, in float32, which keeps 24 bits: sums of 128 numbers are taken in another order."""


def wrapped(policy: Policy, name: str = "Llama") -> Any:
    """The last layer of the last MLP, with its adapter."""
    inner = policy.model.get_base_model()
    return inner.model.layers[1].mlp.down_proj if name == "Llama" else inner.transformer.h[1].mlp.c_proj


def adapter_of(module: Any) -> list[Tensor]:
    return [module.lora_A["default"].weight, module.lora_B["default"].weight]


def apart(ours: Tensor, theirs: Tensor) -> float:
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())


def outcome(forward: Any, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """Output, and the gradients in the input and in the adapter."""
    x = x.detach().requires_grad_()
    y = forward(x)
    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(7)).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, [x, *weights], g)]


@pytest.mark.parametrize("name", ["Llama", "GPT2"])
def test_it_is_pefts_own_forward_and_backward(name: str, tmp_path: Path) -> None:
    module = wrapped(adapted(saved(tmp_path, name), torch.float32), name)
    assert isinstance(module.forward, AdaptedForward) and (module.base_layer.bias is not None) == (name == "GPT2")
    weights = adapter_of(module)
    x = torch.randn(2, 9, module.in_features, generator=torch.Generator().manual_seed(5))
    for ours, theirs in zip(outcome(module.forward, x, weights), outcome(module.forward.own, x, weights), strict=True):
        assert ours.shape == theirs.shape and apart(ours, theirs) < TOLERANCE


@pytest.mark.parametrize("name", ["Llama", "GPT2"])
def test_in_bfloat16_it_is_as_near_to_the_exact_numbers_as_peft_is(name: str, tmp_path: Path) -> None:
    """PEFT rounds the adapter's part, its scaled form and the sum; here the sum alone is rounded."""
    module = wrapped(adapted(saved(tmp_path, name), torch.bfloat16), name)
    weights = adapter_of(module)
    x = torch.randn(64, module.in_features, generator=torch.Generator().manual_seed(5)).bfloat16()
    exact = outcome(lambda x: by_autograd(module, x, *wide), x.double(), wide := [p.double() for p in weights])
    ours, theirs = outcome(module.forward, x, weights), outcome(module.forward.own, x, weights)
    for one, other, truth in zip(ours, theirs, exact, strict=True):
        assert one.dtype == other.dtype == torch.bfloat16
        assert apart(one, truth) < 1.2 * apart(other, truth) < 0.02


def test_it_is_autograd_over_the_dequantised_weight(tmp_path: Path) -> None:
    module = wrapped(adapted(saved(tmp_path), torch.float32))
    weights = adapter_of(module)
    x = torch.randn(11, 128, generator=torch.Generator().manual_seed(5))
    ours = outcome(lambda x: adapted_linear(x, read_product(module)), x, weights)
    for one, other in zip(ours, outcome(lambda x: by_autograd(module, x, *weights), x, weights), strict=True):
        assert apart(one, other) < TOLERANCE


def by_autograd(module: Any, x: Tensor, down: Tensor, up: Tensor) -> Tensor:
    """The definition, in the dtype of x; the scale of `adapted` is 2."""
    bias = module.base_layer.bias
    y = x @ dequantised(module.base_layer).to(x.dtype).T + 2.0 * (x @ down.T) @ up.T
    return y if bias is None else y + bias.to(x.dtype)


def test_a_whole_model_has_pefts_gradients(tmp_path: Path) -> None:
    policy = adapted(saved(tmp_path), torch.float32)
    loss, ours = loss_and_gradients(policy.logprobs(grove()), grove(), policy.model)
    for module in policy.model.modules():
        if isinstance(module.__dict__.get("forward"), AdaptedForward):
            del module.forward
    loss_of_peft, theirs = loss_and_gradients(policy.logprobs(grove()), grove(), policy.model)
    assert loss == pytest.approx(loss_of_peft, rel=TOLERANCE)
    together = [torch.cat([gradient.flatten() for gradient in found.values()]) for found in (ours, theirs)]
    assert apart(*together) < 10 * TOLERANCE  # two layers deep


def test_no_full_weight_outlives_its_use(tmp_path: Path) -> None:
    """What autograd keeps between forward and backward is as large as x and x A', not as W."""
    module = wrapped(adapted(saved(tmp_path), torch.float32))
    x = torch.randn(3, 128, requires_grad=True)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        module(x)
    assert kept and max(tensor.numel() for tensor in kept) < module.base_layer.weight.quant_state.shape.numel() / 8


def test_a_first_layer_needs_no_gradient_in_its_input(tmp_path: Path) -> None:
    module = wrapped(adapted(saved(tmp_path), torch.float32))
    y = module(torch.randn(3, 128))
    y.sum().backward()
    assert module.lora_A["default"].weight.grad.norm() > 0


def test_what_it_does_not_compute_is_left_to_peft(tmp_path: Path) -> None:
    policy = Policy(add_adapter(quantised(saved(tmp_path)).model, Lora(rank=2, alpha=4.0, dropout=0.5), seed=0))
    module = wrapped(policy)
    nn.init.normal_(module.lora_B["default"].weight)
    x = torch.randn(5, 128)
    base = x @ dequantised(module.base_layer).T
    policy.model.train()
    assert not isinstance(module.__dict__.get("forward"), AdaptedForward)
    dropped = module(x)
    policy.model.eval()
    assert not torch.allclose(dropped, module(x))
    with without_adapter(policy.model):
        assert torch.allclose(module(x), base, atol=1e-5)
