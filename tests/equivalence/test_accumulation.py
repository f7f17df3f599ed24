"""accumulated = one big batch, for any split into micro-batches: the loop divides by the whole step's weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from tests.tiny_models import segments_of, tiny
from whet.data.batches.forest import build_batch, select_trees, trees
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.policy import Policy
from whet.recipe.schema import Full, Lora
from whet.training.learners.next_token import NextTokenLearner
from whet.training.loop import train_loop
from whet.training.optimizers.master_weights import MasterOptimizer
from whet.types import Batch

SHAPE = ((5, None), (19, None), (3, None), (9, None), (4, 3), (6, 3), (2, None))
"""Rows of very unequal length, and one tree: a mean per micro-batch would weigh the short ones too much."""
SPLITS: list[list[list[int]]] = [
    [[0, 1, 2, 3, 4]],
    [[0], [1], [2], [3], [4]],
    [[0, 1], [2, 3, 4]],
    [[4, 2], [1], [3, 0]],
    [[3, 1, 4, 2], [0]],
]
"""Trees by number, in micro-batches."""


class Recorder:
    """Stands in for the optimiser: keeps the gradients that an update would have used."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.gradients: dict[str, Tensor] = {}

    def step(self, step: int) -> tuple[float, float]:
        for name, parameter in self.policy.trainable().items():
            assert parameter.grad is not None
            self.gradients[name], parameter.grad = parameter.grad.clone(), None
        return 0.0, 0.0


class Fixed:
    """A source whose only step is the given micro-batches."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches

    def step(self, step: int) -> list[Batch]:
        return self.batches


def gradients(model: Any, split: Sequence[Sequence[int]], use_forest: bool = True) -> tuple[float, dict[str, Tensor]]:
    segments = segments_of(*SHAPE)
    groups = trees(segments)
    batches = [build_batch(select_trees(segments, [groups[number] for number in micro])) for micro in split]
    policy = Policy(model, use_forest)
    recorder = Recorder(policy)
    losses: list[float] = []
    train_loop(
        NextTokenLearner(policy, Fixed(batches)),
        cast(MasterOptimizer, recorder),
        1,
        lambda step, facts: losses.append(facts["loss"]),
    )
    return losses[0], recorder.gradients


@pytest.mark.parametrize("use_forest", [True, False], ids=["forest", "plain"])
@pytest.mark.parametrize("adapter", [Lora(rank=4, alpha=8.0), Full()], ids=["lora", "full"])
def test_any_split_gives_the_gradient_of_one_batch(adapter: Lora | Full, use_forest: bool) -> None:
    model = tiny("Llama")
    install_forest(model)
    model = add_adapter(model, adapter, seed=0)
    whole_loss, whole = gradients(model, SPLITS[0], use_forest)
    assert max(float(g.norm()) for g in whole.values()) > 1e-2
    for split in SPLITS[1:]:
        loss, found = gradients(model, split, use_forest)
        assert loss == pytest.approx(whole_loss, rel=1e-5)
        for name, expected in whole.items():
            torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-6, msg=f"{split}: {name}")
