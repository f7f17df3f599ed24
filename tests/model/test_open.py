"""Opening a trained model: over the very base it was trained on, in the dtype of the training, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_models import grove, tiny, tiny_tokenizer
from whet.errors import ModelError
from whet.model.adapter import add_adapter, causal_lm
from whet.model.architecture_proof import install_forest
from whet.model.base import load_base, random_base
from whet.model.open import open_model
from whet.model.policy import Policy
from whet.model.weights_identity import fingerprint
from whet.recipe.schema import Full, Lora

ADAPTERS = {"lora": Lora(rank=4, alpha=8.0), "full": Full()}


def save(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def trained(base: Path, folder: Path, kind: str, dtype: str, from_scratch: bool = False) -> tuple[dict, torch.Tensor]:
    """Facts of a model folder, and the log-probabilities at the end of its training."""
    load = (lambda *rest: random_base(*rest, seed=4)) if from_scratch else load_base
    opened = load(str(base), getattr(torch, dtype))
    install_forest(opened.model)
    model = add_adapter(opened.model, ADAPTERS[kind], seed=0)
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in Policy(model).trainable().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
        logprobs = Policy(model.eval()).logprobs(grove())
    save(model, folder)
    facts = {"base": str(base), "from_scratch": from_scratch, "seed": 4, "adapter": kind, "dtype": dtype}
    return facts | {"base_fingerprint": opened.fingerprint}, logprobs


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ADAPTERS)
@pytest.mark.parametrize("name", ["Llama", "Gemma3"])
def test_what_is_opened_is_what_was_trained(name: str, kind: str, dtype: str, tmp_path: Path) -> None:
    base = save(tiny(name), tmp_path / "base")
    facts, logprobs = trained(base, tmp_path / "model", kind, dtype)
    opened = open_model(tmp_path / "model", facts, False, kernels=False)
    assert opened.use_forest and (opened.base_model is None) == (kind == "lora")
    assert str(causal_lm(opened.model).dtype) == f"torch.{dtype}"
    with torch.no_grad():
        assert torch.equal(Policy(opened.model).logprobs(grove()), logprobs)


def test_a_model_from_scratch_is_compared_with_its_own_random_start(tmp_path: Path) -> None:
    base = save(tiny("Llama"), tmp_path / "base")
    facts, _ = trained(base, tmp_path / "model", "full", "float32", from_scratch=True)
    opened = open_model(tmp_path / "model", facts, False, kernels=False)
    assert opened.base_model is not None
    assert fingerprint(opened.base_model) == facts["base_fingerprint"]


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_base_with_other_weights_is_refused(kind: str, tmp_path: Path) -> None:
    """Same architecture, same shapes: PEFT would put the adapter on without a word."""
    base = save(tiny("Llama"), tmp_path / "base")
    facts, _ = trained(base, tmp_path / "model", kind, "float32")
    save(tiny("Llama", seed=1), base)
    with pytest.raises(ModelError, match="other weights"):
        open_model(tmp_path / "model", facts, False, kernels=False)


def test_a_base_with_one_more_layer_is_refused(tmp_path: Path) -> None:
    base = save(tiny("Llama"), tmp_path / "base")
    facts, _ = trained(base, tmp_path / "model", "lora", "float32")
    save(tiny("Llama", num_hidden_layers=3), base)
    with pytest.raises(ModelError, match="other weights"):
        open_model(tmp_path / "model", facts, False, kernels=False)


def test_a_fingerprint_is_of_the_weights() -> None:
    one = tiny("Llama")
    assert fingerprint(one) == fingerprint(tiny("Llama"))
    assert fingerprint(one) != fingerprint(tiny("Llama", seed=1))
    assert fingerprint(one) != fingerprint(tiny("Llama").to(torch.bfloat16))
    with torch.no_grad():
        one.model.norm.weight[0] += 1
    assert fingerprint(one) != fingerprint(tiny("Llama"))
