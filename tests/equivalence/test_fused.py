"""The fused layers = the architecture's own layers and PEFT's own adapters: loss and every gradient, in float32.

The tolerance is that of float32 sums in another order. Every family that the kernels take is here; families that they
do not take must keep their own layers.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.equivalence.test_forest import BATCHES, adapted
from tests.tiny_models import loss_and_gradients, roots, tiny
from whet.model.adapter import add_adapter, causal_lm
from whet.model.architecture_proof import fuse, install_forest, unfuse
from whet.model.fused import attention, spans
from whet.model.fused.install import FusedLayer
from whet.model.policy import Policy, reference_logprobs
from whet.recipe.schema import Full, Lora
from whet.types import Batch

TAKEN = ("Llama", "Qwen2", "Qwen3", "Mistral", "Granite")
OTHERS = ("Gemma2", "Gemma3", "Phi3", "GPT2", "GPTNeoX", "Olmo2", "Mixtral", "Cohere")


def model_of(name: str, adapter: str) -> Any:
    return adapted(name) if adapter == "lora" else add_adapter(tiny(name), Full(), 0).eval()


def compare(model: Any, batch: Batch, recompute: bool = False) -> None:
    causal_lm(model).set_attn_implementation("eager")
    loss, gradients = loss_and_gradients(reference_logprobs(causal_lm(model), batch), batch, model)
    install_forest(causal_lm(model))
    assert fuse(model) is None
    policy = Policy(model)
    assert all(isinstance(layer.forward, FusedLayer) for layer in policy.trunk.layers)  # type: ignore[union-attr]
    if recompute:
        policy.recompute_layers()
    fused_loss, fused_gradients = loss_and_gradients(policy.logprobs(batch), batch, model)
    assert fused_loss == pytest.approx(loss, rel=2e-6)
    for name, expected in gradients.items():
        distance = (fused_gradients[name] - expected).norm() / expected.norm().clamp_min(1e-6)
        assert distance < 2e-5, f"the gradient of {name} differs by {distance:.1e}"


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("adapter", ["lora", "full"])
@pytest.mark.parametrize("name", TAKEN)
def test_fused_layers_are_the_architectures_own(name: str, adapter: str, batch: str) -> None:
    compare(model_of(name, adapter), BATCHES[batch]())


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_layers_that_run_again_give_the_same(adapter: str) -> None:
    compare(model_of("Qwen3", adapter), BATCHES["trees"](), recompute=True)


@pytest.mark.parametrize("name", ["Gemma2", "GPTNeoX"])
def test_other_layers_that_run_again_give_the_same(name: str) -> None:
    model, batch = adapted(name), BATCHES["trees"]()
    install_forest(causal_lm(model))
    loss, gradients = loss_and_gradients(Policy(model).logprobs(batch), batch, model)
    Policy(model).recompute_layers()
    again, found = loss_and_gradients(Policy(model).logprobs(batch), batch, model)
    assert again == loss
    assert all(torch.equal(found[name], gradients[name]) for name in gradients)


@pytest.mark.parametrize("name", OTHERS)
def test_other_architectures_keep_their_own_layers(name: str) -> None:
    model = adapted(name)
    install_forest(causal_lm(model))
    assert fuse(model)
    assert not any(isinstance(module.__dict__.get("forward"), FusedLayer) for module in model.modules())


@pytest.mark.parametrize("queries", [4, 16])
@pytest.mark.parametrize("kept", [0, 10**9])
def test_long_rows_in_blocks_are_the_same(queries: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "QUERIES", queries)
    monkeypatch.setattr(attention, "KEPT", kept)
    for batch in BATCHES.values():
        compare(adapted("Mistral"), batch())


@pytest.mark.parametrize("scores", [0, 10**9])
def test_any_cut_into_spans_gives_the_same(scores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "ROUND", scores)
    compare(adapted("Llama"), roots(3, 17, 9, 2, 17, 16, 16))


def test_a_switched_off_adapter_is_the_base() -> None:
    model, batch = adapted("Llama"), BATCHES["trees"]()
    install_forest(causal_lm(model))
    with torch.no_grad(), model.disable_adapter():
        own = Policy(model).logprobs(batch)
        assert fuse(model) is None
        torch.testing.assert_close(Policy(model).logprobs(batch), own, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        assert not torch.allclose(Policy(model).logprobs(batch), own, atol=1e-3)


@pytest.mark.parametrize("settings", [{"dropout": 0.3}, {"targets": ["q_proj", "down_proj"]}], ids=["dropout", "some"])
def test_adapters_on_some_layers_and_dropout(settings: dict[str, Any]) -> None:
    model = add_adapter(tiny("Llama"), Lora(rank=4, alpha=8.0, **settings), seed=0)
    install_forest(causal_lm(model))
    assert (fuse(model) is None) == ("targets" in settings)
    if "targets" in settings:
        compare(model.eval(), roots(5, 9))


def test_layers_go_back_to_their_own_forward() -> None:
    model = adapted("Llama")
    install_forest(causal_lm(model))
    assert fuse(model) is None
    unfuse(model)
    assert "forward" not in Policy(model).trunk.layers[0].__dict__  # type: ignore[index]
