"""The self-check must notice a fast path that computes something else, and the run must then take the plain one."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from whet.data.forest import build_batch
from whet.model import attention
from whet.model.fit import install_forest
from whet.model.policy import Policy
from whet.train.selfcheck import self_check
from whet.types import Batch, Segment


def tiny() -> Policy:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=60, num_attention_heads=4, num_key_value_heads=2, **shape))
    install_forest(model)
    return Policy(model)


def batch() -> Batch:
    random = torch.Generator().manual_seed(1)
    lengths = [7, 12, 5]
    ids = [torch.randint(0, 60, (length,), generator=random).tolist() for length in lengths]
    return build_batch([Segment(x, [0.0, 0.0] + [1.0] * (len(x) - 2), row) for row, x in enumerate(ids)])


def test_equal_paths_pass_and_leave_no_gradient() -> None:
    policy = tiny()
    check = self_check(policy, batch(), "auto")
    assert check.passed and check.path == "forest" and policy.use_forest
    assert check.loss_forest == pytest.approx(check.loss_plain, rel=1e-5)
    assert all(p.grad is None for p in policy.model.parameters())


def test_leaking_attention_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_big_tree(batch: Batch) -> attention.Layout:
        """The bug that packing is feared for: every row sees the rows before it."""
        total = int(batch.ids_T.shape[0])
        return attention.Layout(1, total, None, None, None, batch.positions_T.view(1, total))

    policy = tiny()
    monkeypatch.setattr("whet.model.policy.layout_of", one_big_tree)
    monkeypatch.setattr("whet.train.selfcheck.forest_refusal", lambda model: None)  # the first guard, asleep
    check = self_check(policy, batch(), "auto")
    assert not check.passed and check.path == "plain" and not policy.use_forest


def test_the_plain_path_can_be_asked_for() -> None:
    policy = tiny()
    assert self_check(policy, batch(), "plain").path == "plain"
    assert not policy.use_forest
