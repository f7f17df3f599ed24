"""keep: the step's loss against plain torch on full logits, and how much of a step is replay."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tiny_models import adapted
from whet.data.batches.loader import Loader
from whet.model.adapter import causal_lm, without_adapter
from whet.model.policy import Policy
from whet.training.learner import Learner
from whet.training.learners.next_token import NextTokenLearner
from whet.training.retention.learner import Replay, ReplayedBatch, RetentionLearner
from whet.types import Batch, Segment

TASK = [Segment([n, n + 1, n + 2, n + 3], [0.0, 0.0, 1.0, 0.5], n) for n in range(1, 9)]
GENERAL = [Segment([40, n, n + 1, n + 2, 50], [0.0, 0.0, 1.0, 1.0, 1.0], n) for n in range(2, 14)]


def policy(moved: bool = True) -> Policy:
    return Policy(adapted(moved))


def keeping(
    policy: Policy, kl: float, ratio: float | None, own_words: bool = False, micro: int = 64
) -> RetentionLearner:
    task: Learner = NextTokenLearner(policy, Loader(TASK, 16, micro, 0))
    replay = None if ratio is None else Replay(GENERAL, ratio, 16, micro, 0)
    return RetentionLearner(task, policy, replay, kl, own_words)


def logits(model: Any, ids: list[int]) -> Tensor:
    return causal_lm(model)(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1].log_softmax(-1)


def expected(policy: Policy, batches: list[Batch], kl: float, ratio: float | None, own_words: bool) -> Tensor:
    """The mean loss of a step, row by row through the model's own forward: (1 - ratio) task + ratio replay."""
    sums = {False: [torch.zeros(()), torch.zeros(()), 0.0], True: [torch.zeros(()), torch.zeros(()), 0.0]}
    for batch in batches:
        pool = {tuple(one.ids): one for one in (GENERAL if isinstance(batch, ReplayedBatch) else TASK)}
        for start, length in zip(batch.starts, batch.lengths, strict=True):
            segment = pool[tuple(batch.ids_T[start : start + length].tolist())]
            weight = torch.tensor(segment.weights[1:])
            with without_adapter(policy.model), torch.no_grad():
                base = logits(policy.model, segment.ids)
            own = logits(policy.model, segment.ids)
            nll = -own.gather(1, torch.tensor(segment.ids[1:])[:, None]).squeeze(1)
            apart = torch.nn.functional.kl_div(own, base, reduction="none", log_target=True).sum(-1)
            found = sums[isinstance(batch, ReplayedBatch)]
            found[0], found[1] = found[0] + (nll * weight).sum(), found[1] + (apart * weight).sum()
            found[2] += float(weight.sum())
    (nll, apart, weight), general = sums[False], sums[True]
    if ratio is None:
        return (nll + kl * apart) / weight
    told = kl * general[1] if kl and own_words else general[0] + kl * general[1]
    return (1 - ratio) * nll / weight + ratio * told / general[2]


@pytest.mark.parametrize(
    ("kl", "ratio", "own_words"),
    [(0.7, None, False), (0.0, 0.3, False), (0.7, 0.3, False), (0.7, 0.3, True), (0.0, 0.3, True)],
)
def test_a_step_is_the_weighted_mean_that_the_docs_say(kl: float, ratio: float | None, own_words: bool) -> None:
    held = policy()
    method = keeping(held, kl, ratio, own_words)
    batches = method.batches(3)
    weight = sum(batch.weight for batch in batches)
    ours = torch.stack([method.loss(batch).total / weight for batch in batches]).sum()
    theirs = expected(held, batches, kl, ratio, own_words)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)
    names, parameters = zip(*held.trainable().items(), strict=True)
    for name, one, other in zip(
        names, torch.autograd.grad(ours, parameters), torch.autograd.grad(theirs, parameters), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5, msg=name)


def test_replay_makes_up_its_ratio_of_every_steps_weight() -> None:
    method = keeping(policy(), 0.0, 0.25)
    for step in range(7):
        batches = method.batches(step)
        general = sum(batch.weight for batch in batches if isinstance(batch, ReplayedBatch))
        assert general / sum(batch.weight for batch in batches) == pytest.approx(0.25)


def test_every_nth_step_replays_and_the_others_are_the_tasks_alone() -> None:
    """And over the same number of replays each general row comes as often as with a replay in every step."""
    often, seldom = Replay(GENERAL, 0.3, 16, 64, 5), Replay(GENERAL, 0.3, 16, 64, 5, every=4)
    found = [[batch.rows for batch in seldom.step(step, 1.0)] for step in range(24)]
    assert [bool(rows) for rows in found] == [False, False, False, True] * 6
    assert found[3::4] == [[batch.rows for batch in often.step(step, 1.0)] for step in range(6)]


def test_the_micro_batch_changes_nothing() -> None:
    held, gradients = policy(), []
    for micro in (8, 64):
        method = keeping(held, 0.5, 0.4, micro=micro)
        batches = method.batches(2)
        weight = sum(batch.weight for batch in batches)
        total = torch.stack([method.loss(batch).total / weight for batch in batches]).sum()
        gradients.append(torch.autograd.grad(total, list(held.trainable().values())))
    assert len(keeping(held, 0.5, 0.4, micro=8).batches(2)) > len(keeping(held, 0.5, 0.4).batches(2))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_a_model_that_has_not_moved_pays_nothing_for_it() -> None:
    method = keeping(policy(moved=False), 1.0, 0.3, own_words=True)
    general = [batch for batch in method.batches(0) if isinstance(batch, ReplayedBatch)]
    assert general and all(abs(method.loss(batch).total.item()) < 1e-5 for batch in general)


def test_the_same_step_is_always_the_same_and_every_row_comes() -> None:
    one, other = Replay(GENERAL, 0.3, 16, 64, 5), Replay(GENERAL, 0.3, 16, 64, 5)
    seen: set[int] = set()
    for step in range(20):
        rows = [batch.rows for batch in one.step(step, 1.0)]
        assert rows == [batch.rows for batch in other.step(step, 1.0)]
        seen |= {row for batch in rows for row in batch}
    assert seen == {segment.row for segment in GENERAL}
