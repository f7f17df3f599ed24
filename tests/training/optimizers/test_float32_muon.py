"""Muon with float32 products is torch's Muon, but for how its products are rounded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from whet.training.optimizers.float32_muon import Float32Muon, orthogonal

COEFFICIENTS = (3.4445, -4.775, 2.0315)
SETTINGS = {"lr": 3e-3, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}


def stepped(kind: type[torch.optim.Muon], shape: tuple[int, int]) -> Tensor:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(shape))
    optimizer = kind([weight], **SETTINGS)
    for _ in range(4):
        weight.grad = torch.randn(shape)
        optimizer.step()
    return weight.detach()


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (32, 32), (1, 16)])
def test_a_step_is_that_of_torch_with_these_products(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    rounded = stepped(torch.optim.Muon, shape)
    found = stepped(Float32Muon, shape)
    monkeypatch.setattr("torch.optim._muon._zeropower_via_newtonschulz", orthogonal)
    assert torch.allclose(stepped(torch.optim.Muon, shape), found, rtol=0, atol=1e-6)
    step = SETTINGS["lr"] * 0.2 * max(shape) ** 0.5
    assert 0 < float((found - rounded).abs().max()) < 0.1 * step, "bfloat16 differs, and not by much"


@pytest.mark.parametrize("shape", [(24, 40), (40, 24)])
def test_singular_values_follow_the_polynomial(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(shape, dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    a, b, c = COEFFICIENTS
    told = values / values.norm()
    for _ in range(5):
        told = a * told + b * told**3 + c * told**5
    assert torch.allclose(orthogonal(matrix, COEFFICIENTS, 5, 1e-7), (left * told) @ right, atol=1e-9)
