"""The self-check must notice a fast path that computes something else, and the run must then take the plain one."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

from tests.tiny_models import tiny as tiny_of
from whet.data.batches.forest import build_batch
from whet.errors import ProofError
from whet.model import policy as policies
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.attention import forest as attention
from whet.model.fused import pointwise
from whet.model.policy import FULL_LOGITS, Policy, reference_logprobs
from whet.recipe.schema import Lora
from whet.training.self_check import SelfCheck, self_check
from whet.types import Batch, Segment


def tiny() -> Policy:
    torch.manual_seed(0)
    shape: Any = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
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
    assert check.passed and check.path == "fused" and policy.use_forest
    assert check.loss_fast == pytest.approx(check.loss_plain, rel=1e-5)
    assert all(p.grad is None for p in policy.model.parameters())


def test_leaking_attention_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_big_tree(batch: Batch, flat: bool = False) -> attention.ForestLayout:
        """The bug that packing is feared for: every row sees the rows before it."""
        total = int(batch.ids_T.shape[0])
        return attention.ForestLayout(1, total, None, None, None, batch.positions_T.view(1, total), one_root(batch))

    def one_root(batch: Batch) -> Batch:
        return replace(batch, starts=[0], lengths=[int(batch.ids_T.shape[0])], parents=[None])

    policy = tiny()
    monkeypatch.setattr("whet.model.policy.layout_of", one_big_tree)
    monkeypatch.setattr("whet.training.self_check.forest_refusal", lambda model: None)  # the first guard, asleep
    check = self_check(policy, batch(), "auto")
    assert not check.passed and check.path == "plain" and not policy.use_forest


ROTATE = pointwise.rotate
WRONG: dict[str, tuple[str, Any]] = {
    "a norm without its weight": (
        "whet.model.fused.pointwise.rms_norm",
        lambda x, weight, epsilon: functional.rms_norm(x, weight.shape),
    ),
    "an output without its residual": ("whet.model.fused.install.mlp_half", lambda x, half, light: x),
    "a gate that is not multiplied": (
        "whet.model.fused.pointwise.gated",
        lambda gate, up, name: (functional.silu(gate), functional.silu(gate)),
    ),
    "positions that are twice as far": (
        "whet.model.fused.pointwise.rotate",
        lambda x, rotary, back=False: ROTATE(x, replace(rotary, sin_TH=2 * rotary.sin_TH), back),
    ),
}
WRONG_BACKWARD = {
    "a slope of the wrong sign": "whet.model.fused.pointwise.gated_backward",
    "a norm's backward that forgets the mean": "whet.model.fused.pointwise.rms_norm_backward",
    "an adapter's gradient twice": "whet.model.fused.linear._split_downs",
    "values that get no gradient": "whet.model.fused.attention.backward",
}


def adapted() -> Policy:
    policy = tiny()
    model = add_adapter(policy.model, Lora(rank=4, alpha=8.0), seed=0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.rand_like(parameter))
    return Policy(model)


@pytest.mark.parametrize("broken", WRONG, ids=str)
def test_a_wrong_forward_kernel_is_noticed_and_given_up(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*WRONG[broken])
    monkeypatch.setattr("whet.model.architecture_proof._distance", lambda left, right: 0.0)  # the first guard, asleep
    policy = adapted()
    check = self_check(policy, batch(), "auto")
    assert not check.passed and check.path == "forest" and "fused" in check.reason


@pytest.mark.parametrize("broken", WRONG_BACKWARD, ids=str)
def test_a_wrong_backward_kernel_is_noticed_and_given_up(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = {where: _named(where) for where in WRONG_BACKWARD.values()}

    def split_twice(gradient: torch.Tensor, products: Any, sink: Any) -> None:
        right["whet.model.fused.linear._split_downs"](2 * gradient, products, sink)

    def gated(g: torch.Tensor, *rest: Any) -> Any:
        dgate, dup = right["whet.model.fused.pointwise.gated_backward"](g, *rest)
        return -dgate, dup

    def norm(g: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, epsilon: float, wants: bool) -> Any:
        return g * weight * (x.square().mean(-1, keepdim=True) + epsilon).rsqrt(), None

    def attended(*given: Any) -> Any:
        dq, dk, dv = right["whet.model.fused.attention.backward"](*given)
        return dq, dk, torch.zeros_like(dv)

    wrong = dict(zip(WRONG_BACKWARD.values(), (gated, norm, split_twice, attended), strict=True))
    monkeypatch.setattr(WRONG_BACKWARD[broken], wrong[WRONG_BACKWARD[broken]])
    policy = adapted()
    check = self_check(policy, batch(), "auto")
    assert not check.passed and check.path != "fused" and "gradient" in check.reason


def _named(where: str) -> Any:
    module, _, name = where.rpartition(".")
    return getattr(import_module(module), name)


def test_adapters_are_left_as_they_were() -> None:
    policy = adapted()
    before = {name: p.detach().clone() for name, p in policy.trainable().items()}
    self_check(policy, batch(), "auto")
    assert all(torch.equal(before[name], p) for name, p in policy.trainable().items())


def test_the_kernels_can_be_left_out() -> None:
    assert self_check(tiny(), batch(), "forest").path == "forest"


def test_a_resumed_run_takes_the_path_that_it_took_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("forest", "fused"):
        assert self_check(tiny(), batch(), "auto", kept=path).path == path, "auto alone would take fused"
    policy = tiny()
    check = self_check(policy, batch(), "auto", kept="plain")
    assert check.path == "plain" and not policy.use_forest and "up to its checkpoint" in check.reason
    monkeypatch.setattr("whet.training.self_check.fuse", lambda model: "this processor has other kernels")
    assert self_check(tiny(), batch(), "auto").path == "forest"
    with pytest.raises(ProofError, match="took the fused path up to its checkpoint"):
        self_check(tiny(), batch(), "auto", kept="fused")


def test_a_path_that_is_kept_is_not_timed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU the clock may choose otherwise in a resumed run, and its sums would differ."""
    timed: list[str] = []

    def faster(policy: Policy, reading: Any, check: SelfCheck, whole: Batch) -> SelfCheck:
        timed.append(check.path)
        return check

    monkeypatch.setattr("whet.training.self_check._candidates", lambda policy, wanted, kept: ("flex",))
    monkeypatch.setattr("whet.training.self_check._set_up", lambda policy, path: None)  # flex needs a GPU
    monkeypatch.setattr("whet.training.self_check._faster", faster)
    assert self_check(tiny(), batch(), "auto").path == "flex" and timed == ["flex"]
    assert self_check(tiny(), batch(), "auto", kept="flex").path == "flex" and timed == ["flex"]


def test_the_plain_path_can_be_asked_for() -> None:
    policy = tiny()
    assert self_check(policy, batch(), "plain").path == "plain"
    assert not policy.use_forest


class Largest(TorchDispatchMode):
    """Numbers of the largest tensor that any operation makes."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return made


@pytest.mark.parametrize("trained", ["adapter", "everything"])
def test_long_rows_of_a_large_vocabulary_are_compared_in_chunks(trained: str) -> None:
    """Two rows of 400 tokens have 32 million logits; no tensor may hold more than half of what a whole reference may,
    which is a chunk."""
    torch.manual_seed(0)
    shape: Any = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model: Any = LlamaForCausalLM(LlamaConfig(vocab_size=40_000, tie_word_embeddings=True, **shape))
    install_forest(model)
    policy = Policy(add_adapter(model, Lora(rank=2, alpha=4.0), 0) if trained == "adapter" else model)
    rows = [Segment(list(range(3, 403)), [0.0] + [1.0] * 399, row) for row in range(2)]
    with Largest() as largest:
        check = self_check(policy, build_batch(rows), "auto")
    assert check.passed and check.path == "fused" and check.tokens == 800
    assert largest.numbers <= FULL_LOGITS // 2


def test_the_chunked_reference_is_the_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for most in (1 << 24, 0):
        monkeypatch.setattr(policies, "FULL_LOGITS", most)
        model: Any = tiny_of("Gemma2")
        logprobs_N = reference_logprobs(model, batch())
        logprobs_N.sum().backward()
        found.append((logprobs_N, [parameter.grad for parameter in model.parameters()]))
    torch.testing.assert_close(found[0], found[1])
