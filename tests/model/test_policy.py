"""A batch may lie anywhere: what a forward pass reads is taken to the model's device, results come back."""

from __future__ import annotations

import pytest
import torch

from tests.tiny_models import grove, roots, tiny
from whet.model.fit import install_forest
from whet.model.plain import pad_rows, plain_rows
from whet.model.policy import Policy, placed


@pytest.mark.parametrize("use_forest", [True, False])
@pytest.mark.parametrize("name", ["Llama", "GPT2"])
def test_every_index_is_on_the_models_device(name: str, use_forest: bool) -> None:
    """The meta device stands in for a GPU: it refuses tensors of the processor just the same."""
    model = tiny(name)
    install_forest(model)
    policy = Policy(model.to("meta"), use_forest)
    for batch in (roots(5, 5), roots(3, 9), grove()):
        hidden = policy.hidden(batch)
        assert hidden.device.type == "meta" and hidden.shape == (len(batch.target_N), 32)


def test_a_batch_that_is_there_already_is_not_copied() -> None:
    batch = grove()
    assert placed(batch, torch.device("cpu")) is batch


def test_plain_rows_are_the_paths() -> None:
    batch = grove()
    rows, slot_T = plain_rows(batch)
    ids_RL, mask_RL = pad_rows(rows, batch.ids_T)
    assert [len(row) for row in rows] == [13, 21, 19, 13, 8, 14]
    assert mask_RL.sum(1).tolist() == [13, 21, 19, 13, 8, 14]
    assert torch.equal(ids_RL.flatten()[slot_T], batch.ids_T)
