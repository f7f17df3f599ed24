"""The primitive against torch's own log-softmax over full logits: values and gradients, whatever the chunk."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from whet.model.logits import logprob
from whet.model.logits.logprob import Head, kl_sum, token_logprobs

N, D, V = 65, 12, 37
CHUNKS = (1, 32, 1000)
KINDS = [(1.0, None), (0.25, None), (1.0, 3.0), (0.5, 2.0)]
"""(scale, softcap)"""


@pytest.fixture(params=CHUNKS)
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(Head, "chunk", property(lambda _: request.param))
    return request.param


def tensors(dtype: torch.dtype = torch.float32, n: int = N) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """hidden, weight, bias, target, and an upstream gradient of both signs."""
    random = torch.Generator().manual_seed(0)
    hidden, weight, bias = (torch.randn(*s, generator=random).to(dtype) for s in ((n, D), (V, D), (V,)))
    return hidden, weight, bias, torch.randint(V, (n,), generator=random), torch.randn(n, generator=random).to(dtype)


def full_logits(hidden: Tensor, head: Head, target: Tensor) -> Tensor:
    """The definition, written down a second time."""
    logits = hidden @ head.weight_VD.T + (0 if head.bias_V is None else head.bias_V)
    logits = logits * head.scale
    if head.softcap:
        logits = head.softcap * torch.tanh(logits / head.softcap)
    return torch.nn.functional.log_softmax(logits, dim=-1)[torch.arange(len(target)), target]


@pytest.mark.parametrize(("scale", "softcap"), KINDS)
@pytest.mark.parametrize("trained", ["hidden", "head", "both"])
def test_chunked_is_full_in_value_and_gradient(chunk: int, scale: float, softcap: float | None, trained: str) -> None:
    found, expected = [], []
    for function, results in ((token_logprobs, found), (full_logits, expected)):
        hidden, weight, bias, target, upstream = tensors()
        hidden.requires_grad_(trained != "head")
        for tensor in (weight, bias):
            tensor.requires_grad_(trained != "hidden")
        out = function(hidden, Head(weight, bias, scale, softcap), target)
        out.backward(upstream)
        results += [out.detach(), hidden.grad, weight.grad, bias.grad]
    for ours, reference in zip(found, expected, strict=True):
        assert (ours is None) == (reference is None)
        if reference is not None and ours is not None:
            torch.testing.assert_close(ours, reference, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("scale", "softcap"), KINDS)
def test_gradients_are_those_of_finite_differences(
    scale: float, softcap: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Head, "chunk", 3)
    hidden, weight, bias, target, _ = tensors(torch.float64, 7)
    for tensor in (hidden, weight, bias):
        tensor.requires_grad_(True)

    def by_all(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return token_logprobs(hidden, Head(weight, bias, scale, softcap), target)

    def by_hidden(hidden: Tensor) -> Tensor:
        return token_logprobs(hidden, Head(weight.detach(), bias.detach(), scale, softcap), target)

    assert torch.autograd.gradcheck(by_all, (hidden, weight, bias))
    assert torch.autograd.gradcheck(by_hidden, (hidden,))


def test_only_the_bias_trained() -> None:
    hidden, weight, bias, target, upstream = tensors()
    bias.requires_grad_(True)
    token_logprobs(hidden, Head(weight, bias), target).backward(upstream)
    ours, bias.grad = bias.grad, None
    full_logits(hidden, Head(weight, bias), target).backward(upstream)
    torch.testing.assert_close(ours, bias.grad, rtol=1e-4, atol=2e-5)


def test_a_tied_head_gets_the_gradient_of_both_uses() -> None:
    """The embedding is looked up and is the output layer too; both gradients must arrive in the one tensor."""
    _, weight, _, target, upstream = tensors()
    gradients = []
    for function in (token_logprobs, full_logits):
        table = weight.clone().requires_grad_(True)
        hidden = torch.tanh(table[target.roll(1)])
        function(hidden, Head(table), target).backward(upstream)
        gradients.append(table.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=2e-5)


def test_bfloat16_values_and_gradients_are_near_those_of_float32() -> None:
    results = {}
    for dtype in (torch.float32, torch.bfloat16):
        hidden, weight, bias, target, upstream = tensors(torch.bfloat16)
        hidden, weight = hidden.to(dtype).requires_grad_(True), weight.to(dtype)
        out = token_logprobs(hidden, Head(weight, bias.to(dtype)), target)
        assert out.dtype == torch.float32
        out.backward(upstream.float())
        results[dtype] = (out.detach(), hidden.grad.float())
    for left, right in zip(*results.values(), strict=True):
        assert float((left - right).norm() / right.norm()) < 0.01


def test_probabilities_sum_to_one() -> None:
    hidden, weight, bias, _, _ = tensors(n=1)
    every = token_logprobs(hidden.expand(V, D), Head(weight, bias), torch.arange(V))
    assert every.exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_logits_of_a_thousand_do_not_overflow() -> None:
    hidden, weight, _, target, _ = tensors()
    out = token_logprobs((hidden * 1000).requires_grad_(True), Head(weight), target)
    torch.testing.assert_close(out.detach(), full_logits(hidden * 1000, Head(weight), target), rtol=1e-4, atol=1e-2)
    assert torch.isfinite(out).all()


def test_a_second_derivative_is_refused_rather_than_wrong() -> None:
    hidden, weight, _, target, _ = tensors()
    hidden.requires_grad_(True)
    out = token_logprobs(hidden, Head(weight), target)
    (slope,) = torch.autograd.grad(out.square().sum(), hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_no_positions_give_no_logprobs() -> None:
    hidden, weight, _, _, _ = tensors()
    out = token_logprobs(hidden[:0].requires_grad_(True), Head(weight), torch.empty(0, dtype=torch.long))
    out.sum().backward()
    assert out.shape == (0,)


def test_kl_is_torchs(chunk: int) -> None:
    hidden, weight, bias, _, _ = tensors()
    other = hidden + 0.3 * torch.randn(N, D, generator=torch.Generator().manual_seed(5))
    head_a, head_b = Head(weight, bias, softcap=4.0), Head(weight * 1.1, None, scale=0.5)
    log_a, log_b = head_a.logits(hidden).log_softmax(-1), head_b.logits(other).log_softmax(-1)
    expected = torch.nn.functional.kl_div(log_b, log_a, reduction="sum", log_target=True).item()
    assert kl_sum(hidden, head_a, other, head_b) == pytest.approx(expected, rel=1e-5)
    assert kl_sum(hidden, head_a, hidden, head_a) == 0


def test_a_large_vocabulary_is_cut_into_chunks() -> None:
    assert Head(torch.empty(1 << 20, 1)).chunk == 32
    assert Head(torch.empty(1 << 10, 1)).chunk == logprob.CHUNK_ELEMENTS["cpu"] >> 10
