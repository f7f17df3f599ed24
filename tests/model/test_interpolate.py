"""The way from base to tuned: its ends are the two models, its middle is the mean of their weights."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tiny_models import tiny
from whet.model.adapter import add_adapter, causal_lm, without_adapter
from whet.model.interpolate import interpolated
from whet.recipe.schema import Lora

IDS = torch.tensor([[3, 5, 7, 9, 11]])


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def adapted() -> Any:
    model = add_adapter(tiny("Llama"), Lora(rank=4, alpha=8.0), seed=0)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.2, generator=random)
    return model.eval()


def test_an_adapter_is_scaled_as_its_merged_weights_are() -> None:
    model, merged, base = adapted(), adapted().merge_and_unload(), tiny("Llama")
    with torch.no_grad():
        for (_, own), (_, start) in zip(merged.named_parameters(), base.named_parameters(), strict=True):
            own.copy_(start + 0.3 * (own - start))
    with interpolated(model, None, 0.3):
        found = logits(model)
    torch.testing.assert_close(found, logits(merged), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_the_ends_are_the_base_and_the_tuned_model(scale: float) -> None:
    model = adapted()
    tuned = logits(model)
    with without_adapter(model):
        base = logits(model)
    with interpolated(model, None, scale):
        assert logits(model).equal(tuned if scale else base)
    assert logits(model).equal(tuned) and not tuned.equal(base)


def test_full_weights_are_mixed_and_come_back_bit_for_bit() -> None:
    base = tiny("Llama")
    model = copy.deepcopy(base)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)) * 0.1)
    before = {name: p.clone() for name, p in model.named_parameters()}
    with interpolated(model, base, 0.25):
        for (name, own), (_, start) in zip(model.named_parameters(), base.named_parameters(), strict=True):
            torch.testing.assert_close(own, 0.75 * start + 0.25 * before[name])
    assert all(p.equal(before[name]) for name, p in model.named_parameters())
    with pytest.raises(ValueError, match="base"), interpolated(causal_lm(model), None, 0.5):
        pass
