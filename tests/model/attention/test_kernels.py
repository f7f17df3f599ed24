"""Three ways to compute attention give what the definition gives, in value and in gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from whet.model.attention import kernels as attend_module
from whet.model.attention.kernels import attend

B, H, L, K = 3, 4, 17, 8


def given(dtype: torch.dtype, heads: int = H, queries: int = L) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    shapes = ((B, H, queries, K), (B, heads, L, K), (B, heads, L, K + 2))
    return [torch.randn(*shape, generator=random).to(dtype).requires_grad_(True) for shape in shapes]


def definition(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float, softcap: float | None) -> Tensor:
    repeats = query.shape[1] // key.shape[1]
    key, value = (torch.stack([x[:, h // repeats] for h in range(query.shape[1])], dim=1) for x in (key, value))
    scores = torch.einsum("bhqk,bhsk->bhqs", query, key) * scale
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    return torch.einsum("bhqs,bhsk->bhqk", torch.where(mask, scores, -torch.inf).softmax(-1), value)


def random_mask() -> Tensor:
    mask = torch.rand(B, 1, L, L, generator=torch.Generator().manual_seed(1)) < 0.4
    return mask | torch.eye(L, dtype=torch.bool)


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("heads", [4, 2, 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_is_its_definition(dtype: torch.dtype, heads: int, masked: bool, softcap: float | None) -> None:
    mask = random_mask() if masked else None
    full = torch.ones(L, L, dtype=torch.bool).tril() if mask is None else mask
    ours, reference = given(dtype, heads), given(dtype, heads)
    out = attend(*ours, mask, 0.5, softcap, 0.0)  # type: ignore[arg-type]
    expected = definition(*(x.float() for x in reference), full, 0.5, softcap)  # type: ignore[arg-type]
    upstream = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    out.backward(upstream.to(dtype))
    expected.backward(upstream)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for left, right in zip([out, *(x.grad for x in ours)], [expected, *(x.grad for x in reference)], strict=True):
        assert float((left.float() - right.float()).norm() / right.float().norm()) < tolerance


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_single_query_sees_every_key(dtype: torch.dtype) -> None:
    """Decoding: one new token, many remembered ones, no mask."""
    query, key, value = given(dtype, queries=1)
    expected = definition(query, key, value, torch.ones(1, L, dtype=torch.bool), K**-0.5, 3.0)
    torch.testing.assert_close(attend(query, key, value, None, None, 3.0, 0.0), expected, rtol=2e-2, atol=2e-2)


def test_bfloat16_on_a_processor_takes_the_plain_products(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    plain = attend_module._plain
    monkeypatch.setattr(attend_module, "_plain", lambda *rest: taken.append(1) or plain(*rest))
    attend(*given(torch.float32), None, None, None, 0.0)  # type: ignore[arg-type]
    assert not taken
    attend(*given(torch.bfloat16), None, None, None, 0.0)  # type: ignore[arg-type]
    assert taken
    monkeypatch.setattr(attend_module, "PLAIN_SCORES", 100)
    attend(*given(torch.bfloat16), None, None, None, 0.0)  # type: ignore[arg-type]
    assert len(taken) == 1, "scores that do not fit must not be made whole"
