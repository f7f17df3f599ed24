"""The divergence of two models, in chunks, is what plain torch computes from full logits: values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from whet.losses.divergence import divergence_loss
from whet.model.logits import logprob
from whet.model.logits.divergence import Direction, token_divergence
from whet.model.logits.logprob import Head

POSITIONS, HIDDEN, TEACHER_HIDDEN, VOCABULARY = 150, 8, 12, 50
HEADS = {"plain": (1.0, None), "scaled": (0.25, None), "capped": (1.0, 3.0), "both": (0.5, 2.0)}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 40 positions, so that there are four of them, the last one shorter."""
    monkeypatch.setitem(logprob.CHUNK_ELEMENTS, "cpu", 40 * VOCABULARY)


def made(*shape: int, seed: int, size: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * size


def plain_logits(
    hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, scale: float, cap: float | None
) -> Tensor:
    logits_NV = (hidden_ND @ weight_VD.T + (0 if bias_V is None else bias_V)) * scale
    return cap * torch.tanh(logits_NV / cap) if cap else logits_NV


def plain_divergence(student_NV: Tensor, teacher_NV: Tensor, direction: Direction) -> Tensor:
    """torch's own: kl_div(input, target) is KL(target || input)."""
    log_p, log_q = student_NV.log_softmax(-1), teacher_NV.log_softmax(-1)
    pair = (log_p, log_q) if direction == "forward" else (log_q, log_p)
    return torch.nn.functional.kl_div(*pair, log_target=True, reduction="none").sum(-1)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("trainable", [False, True], ids=["frozen", "trainable"])
def test_values_and_gradients_are_those_of_full_logits(direction: Direction, kind: str, trainable: bool) -> None:
    scale, cap = HEADS[kind]
    teacher_ND, teacher_VD = made(POSITIONS, TEACHER_HIDDEN, seed=1), made(VOCABULARY, TEACHER_HIDDEN, seed=2, size=0.5)
    weight_N = made(POSITIONS, seed=3).abs()
    gradients: list[list[Tensor]] = []
    values: list[Tensor] = []
    for ours in (True, False):
        hidden_ND = made(POSITIONS, HIDDEN, seed=4).requires_grad_()
        weight_VD = made(VOCABULARY, HIDDEN, seed=5, size=0.6).requires_grad_(trainable)
        bias_V = made(VOCABULARY, seed=6).requires_grad_(trainable)
        if ours:
            student = Head(weight_VD, bias_V, scale, cap)
            found_N = token_divergence(hidden_ND, student, teacher_ND, Head(teacher_VD), direction)
        else:
            student_NV = plain_logits(hidden_ND, weight_VD, bias_V, scale, cap)
            found_N = plain_divergence(student_NV, plain_logits(teacher_ND, teacher_VD, None, 1.0, None), direction)
        (divergence_loss(found_N, weight_N).total if ours else (found_N * weight_N).sum()).backward()
        values.append(found_N.detach())
        gradients.append([x.grad for x in (hidden_ND, weight_VD, bias_V) if x.grad is not None])
    torch.testing.assert_close(values[0], values[1], rtol=1e-5, atol=1e-5)
    assert len(gradients[0]) == (3 if trainable else 1)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
        assert one.abs().max() > 1e-2


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_two_words_in_closed_form(direction: Direction) -> None:
    """p = (1/4, 3/4), q = (1/2, 1/2), by hand."""
    log = torch.log(torch.tensor([0.25, 0.75]))
    student, teacher = Head(log[:, None]), Head(torch.zeros(2, 1))
    found = token_divergence(torch.ones(1, 1), student, torch.ones(1, 1), teacher, direction)
    forward = 0.5 * (torch.log(torch.tensor(2.0)) + torch.log(torch.tensor(2 / 3)))
    reverse = 0.25 * torch.log(torch.tensor(0.5)) + 0.75 * torch.log(torch.tensor(1.5))
    assert float(found) == pytest.approx(float(forward if direction == "forward" else reverse), rel=1e-6)


def test_a_model_is_not_apart_from_itself_and_has_no_gradient_there() -> None:
    hidden_ND, head = made(60, HIDDEN, seed=1).requires_grad_(), Head(made(VOCABULARY, HIDDEN, seed=2))
    for direction in ("forward", "reverse"):
        found_N = token_divergence(hidden_ND, head, hidden_ND.detach(), head, direction)
        (gradient,) = torch.autograd.grad(found_N.sum(), hidden_ND)
        assert found_N.abs().max() < 1e-6 and gradient.abs().max() < 1e-6


@pytest.mark.parametrize("longer", ["student", "teacher"])
def test_padding_behind_the_vocabulary_is_left_out(longer: str) -> None:
    hidden_ND, weight_VD = made(POSITIONS, HIDDEN, seed=1), made(VOCABULARY, HIDDEN, seed=2)
    other_VD = made(VOCABULARY, HIDDEN, seed=3)
    padded = torch.cat([weight_VD, made(14, HIDDEN, seed=4)])
    heads = (Head(padded), Head(other_VD)) if longer == "student" else (Head(other_VD), Head(padded))
    bare = (Head(weight_VD), Head(other_VD)) if longer == "student" else (Head(other_VD), Head(weight_VD))
    found, wanted = (token_divergence(hidden_ND, s, hidden_ND, t, "reverse") for s, t in (heads, bare))
    assert torch.equal(found, wanted)


def test_the_log_gives_the_mean_a_token() -> None:
    out = divergence_loss(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 0.5]))
    assert float(out.total) == 2.5 and out.metrics["loss"] == (2.5, 1.5)
