"""The worst step is tried before the first: it is the largest, leaves nothing behind, and says what to change."""

from __future__ import annotations

import pytest
import torch

from tests.tiny_models import roots, segments_of, tiny
from whet.data.batches.loader import Loader, in_order
from whet.errors import OutOfMemoryError
from whet.model.policy import Policy
from whet.recipe.schema import Optimizer
from whet.training.memory_check import run_largest_step


def test_no_step_is_larger_than_the_rehearsed_one() -> None:
    segments = segments_of(*((length, None) for length in (3, 9, 30, 12, 12, 7, 5, 28, 4, 6)))
    for micro in (8, 16, 40, 1000):
        loader = Loader(segments, batch_tokens=64, micro_batch_tokens=micro, seed=0)
        largest = loader.largest()
        longest = max(largest.lengths)
        assert len(largest.ids_T) > min(micro, 64) - 4
        for step in range(3 * loader.steps_per_epoch):
            for batch in loader.step(step):
                assert max(batch.lengths) <= longest
                assert len(batch.ids_T) <= len(largest.ids_T) + 3  # gaps that no row is short enough to fill


def test_it_leaves_nothing_behind() -> None:
    policy = Policy(tiny("Llama"))
    policy.model.train()
    before = {name: p.detach().clone() for name, p in policy.trainable().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run_largest_step(policy, roots(9, 4), next(iter(in_order(segments_of((5, None)), 100))), Optimizer())
    assert torch.equal(torch.rand(3), expected)
    assert all(p.grad is None and torch.equal(before[name], p) for name, p in policy.trainable().items())


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()]
    + [RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried ...")],
)
def test_too_little_memory_is_said_before_the_first_step(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(self: Policy, batch: object) -> torch.Tensor:
        raise error

    monkeypatch.setattr(Policy, "logprobs", short)
    with pytest.raises(OutOfMemoryError, match="micro_batch_tokens"):
        run_largest_step(Policy(tiny("Llama")), roots(9), None, Optimizer())


def test_another_error_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Policy, batch: object) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Policy, "logprobs", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        run_largest_step(Policy(tiny("Llama")), roots(9), None, Optimizer())
