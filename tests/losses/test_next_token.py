"""Our supervised loss on a forest is transformers' own loss on the padded batch, with labels -100 as the mask."""

from __future__ import annotations

import pytest
import torch
from transformers.loss.loss_utils import ForCausalLMLoss

from tests.tiny_models import tiny
from whet.data.batches.forest import build_batch
from whet.losses.next_token import sft_loss
from whet.model.architecture_proof import install_forest
from whet.model.policy import Policy
from whet.types import Segment

ROWS = ((12, 5), (7, 3), (16, 15), (9, 1))
"""(length, supervised tokens at the end); the third row is supervised from its second token on."""


def rows() -> list[Segment]:
    random = torch.Generator().manual_seed(0)
    ids = [torch.randint(3, 61, (length,), generator=random).tolist() for length, _ in ROWS]
    weights = [[0.0] * (length - trained) + [1.0] * trained for length, trained in ROWS]
    return [Segment(i, w, row) for row, (i, w) in enumerate(zip(ids, weights, strict=True))]


def padded(segments: list[Segment]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """ids, attention mask, labels"""
    longest = max(len(s.ids) for s in segments)
    ids, mask = torch.zeros(2, len(segments), longest, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, segment in enumerate(segments):
        length = len(segment.ids)
        ids[row, :length] = torch.tensor(segment.ids)
        mask[row, :length] = 1
        labels[row, :length] = torch.tensor(segment.ids).where(torch.tensor(segment.weights) > 0, -100)
    return ids, mask, labels


@pytest.mark.parametrize("name", ["Llama", "GPT2", "Gemma2"])
def test_loss_and_gradients_are_those_of_transformers(name: str) -> None:
    segments = rows()
    model = tiny(name)
    ids, mask, labels = padded(segments)
    model.set_attn_implementation("eager")
    reference = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
    reference.backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()

    install_forest(model)
    batch = build_batch(segments)
    out = sft_loss(Policy(model).logprobs(batch), batch.weight_N)
    (out.total / batch.weight).backward()
    assert (out.total / batch.weight).item() == pytest.approx(reference.item(), rel=1e-5)
    for parameter_name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[parameter_name], rtol=1e-3, atol=1e-5)


def test_the_sum_is_transformers_sum_over_a_step() -> None:
    """num_items_in_batch is what transformers divides by when a step has several micro-batches."""
    segments = rows()
    model = tiny("Llama")
    install_forest(model)
    ids, mask, labels = padded(segments)
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits
        reference = ForCausalLMLoss(logits, labels, 61, num_items_in_batch=torch.tensor(100))
        batch = build_batch(segments)
        out = sft_loss(Policy(model).logprobs(batch), batch.weight_N)
    assert out.total.item() / 100 == pytest.approx(reference.item(), rel=1e-5)
    assert out.metrics["loss"] == (pytest.approx(out.total.item()), 24.0)


def test_a_fractional_weight_counts_in_part() -> None:
    logprobs = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    out = sft_loss(logprobs, torch.tensor([1.0, 0.5, 0.0]))
    out.total.backward()
    assert out.total.item() == 2.0 and out.metrics["loss"] == (2.0, 1.5)
    assert logprobs.grad.tolist() == [-1.0, -0.5, 0.0]
