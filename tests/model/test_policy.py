"""A batch may lie anywhere: what a forward pass reads is taken to the model's device, results come back."""

from __future__ import annotations

import torch

from tests.tiny_models import grove, roots
from whet.model.attention.forest import layout_of
from whet.model.attention.padded import pad_rows, plain_rows
from whet.model.policy import to_device


def test_everything_that_is_read_goes_to_the_models_device() -> None:
    """The meta device stands in for a GPU: it refuses tensors of the processor just the same."""
    device = torch.device("meta")
    for batch in (roots(5, 5), roots(3, 9), grove()):
        there = to_device(batch, device)
        assert all(x.device == device for x in (there.ids_T, there.positions_T, there.source_N, there.target_N))
        assert there.weight_N.device.type == "cpu", "the loss is summed where the weights lie"
        layout = layout_of(there)
        found = (layout.gather_RL, layout.scatter_T, layout.family_RLL, layout.positions_RL)
        assert all(x.device == device for x in found if x is not None)
        rows, slot_T = plain_rows(there)
        assert all(x.device == device for x in (*pad_rows(rows, there.ids_T), slot_T))


def test_a_batch_that_is_there_already_is_not_copied() -> None:
    batch = grove()
    assert to_device(batch, torch.device("cpu")) is batch


def test_plain_rows_are_the_paths() -> None:
    batch = grove()
    rows, slot_T = plain_rows(batch)
    ids_RL, mask_RL = pad_rows(rows, batch.ids_T)
    assert [len(row) for row in rows] == [13, 21, 19, 13, 8, 14]
    assert mask_RL.sum(1).tolist() == [13, 21, 19, 13, 8, 14]
    assert torch.equal(ids_RL.flatten()[slot_T], batch.ids_T)
