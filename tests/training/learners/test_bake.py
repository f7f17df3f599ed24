"""bake: the loss against plain torch on full logits, and where it begins and must end."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.data.batches.test_system_prefix import segments_in
from tests.tiny_models import adapted
from whet.data.batches.forest import build_batch
from whet.data.batches.loader import Loader, in_order
from whet.data.batches.system_prefix import SystemPrefix
from whet.model.adapter import causal_lm, without_adapter
from whet.model.policy import Policy
from whet.training.hooks import mean_loss
from whet.training.learners.bake import BakeLearner
from whet.types import Segment

FRONT = SystemPrefix([1], [1, 5, 6, 7, 8])


def method(front: SystemPrefix = FRONT, use_forest: bool = True, moved: bool = True) -> BakeLearner:
    return BakeLearner(Policy(adapted(moved), use_forest), Loader(segments_in(front), 40, 20, 0), front)


def full_logits(model: object, ids: list[int]) -> Tensor:
    return causal_lm(model)(input_ids=torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)


def expected(baking: BakeLearner, rows: list[Segment]) -> Tensor:
    """sum over answer tokens of weight * KL(base with the prompt || tuned without), row by row, from full logits."""
    model, front, total = baking.policy.model, baking.front, torch.zeros(())
    for row in rows:
        long = [*front.prompted, *row.ids[len(front.bare) :]]
        with torch.no_grad(), without_adapter(model):
            teacher = full_logits(model, long)
        student = full_logits(model, row.ids)
        for place, weight in enumerate(row.weights):
            if weight:
                log_q = teacher[place - 1 + len(front.prompted) - len(front.bare)]
                log_p = student[place - 1]
                total = total + weight * (log_q.exp() * (log_q - log_p)).sum()
    return total


@pytest.mark.parametrize("use_forest", [True, False], ids=["forest", "plain"])
@pytest.mark.parametrize("front", [FRONT, SystemPrefix([], [5, 6])], ids=["bos", "bare"])
def test_loss_and_gradient_are_those_of_full_logits(front: SystemPrefix, use_forest: bool) -> None:
    baking = method(front, use_forest)
    rows = segments_in(front)
    gradients = []
    values = []
    for ours in (True, False):
        total = baking.loss(build_batch(rows)).total if ours else expected(baking, rows)
        total.backward()
        values.append(float(total.detach()))
        trained = baking.policy.trainable().values()
        gradients.append(torch.cat([p.grad.flatten() for p in trained if p.grad is not None]))
        for parameter in trained:
            parameter.grad = None
    assert values[0] == pytest.approx(values[1], rel=1e-5) and values[0] > 0.1
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)
    assert gradients[0].norm() > 1e-2


def test_before_the_first_update_it_is_the_bases_own_distance_from_its_prompt() -> None:
    """And the gradient is not zero, though the adapter adds nothing yet."""
    baking = method(moved=False)
    out = baking.loss(build_batch(segments_in(FRONT)))
    assert float(out.total) == pytest.approx(float(expected(baking, segments_in(FRONT))), rel=1e-5)
    out.total.backward()
    assert sum(float(p.grad.norm()) for p in baking.policy.trainable().values() if p.grad is not None) > 1e-2


def test_the_loss_does_not_depend_on_how_rows_are_batched() -> None:
    baking = method()
    rows = segments_in(FRONT)
    found = [mean_loss(baking.policy, baking.loss, in_order(rows, size)) for size in (8, 25, 500)]
    assert found[1] == pytest.approx(found[0], rel=1e-5) and found[2] == pytest.approx(found[0], rel=1e-5)


def test_the_teacher_stays_the_base_and_the_adapter_stays_on() -> None:
    baking = method()
    batch = build_batch(segments_in(FRONT))
    before = float(baking.loss(batch).total)
    with torch.no_grad():
        for parameter in baking.policy.trainable().values():
            parameter.zero_()
    assert float(baking.loss(batch).total) != pytest.approx(before, rel=1e-3)
    baking.policy.model.train()
    baking.loss(batch)
    assert baking.policy.model.training, "the reading of the teacher leaves the model as it was"


def test_a_prompt_that_changes_nothing_has_no_loss() -> None:
    """The front is the same with and without: teacher and fresh student are one."""
    same = SystemPrefix([1], [1])
    assert float(method(same, moved=False).loss(build_batch(segments_in(same))).total) == pytest.approx(0, abs=1e-5)
