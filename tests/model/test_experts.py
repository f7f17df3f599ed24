"""Adapters reach the experts of a mixture, whose weights are no linear layers; what they do not reach is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.tiny_models import GROUPED, VOCABULARY, grove, tiny
from whet.model.adapter import add_adapter, load_adapter, merge_adapter, perturbed, without_adapter
from whet.model.architecture_proof import install_forest
from whet.model.experts import expert_names, expert_notes, experts_of
from whet.model.policy import Policy
from whet.recipe.schema import Full, Lora
from whet.training.self_check import self_check

ADAPTER = Lora(rank=4, alpha=8.0)
CONFIGS: dict[str, dict[str, Any]] = {
    "Mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None},
    "Qwen3Moe": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "head_dim": 8},
    "GptOss": {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 8},
    "GraniteMoe": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "Qwen2Moe": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
        "shared_expert_intermediate_size": 24,
    },
}


def mixture(name: str) -> Any:
    torch.manual_seed(0)
    shape = {"vocab_size": VOCABULARY, "max_position_embeddings": 64, "pad_token_id": None}
    config = getattr(transformers, f"{name}Config")(**GROUPED | shape | CONFIGS[name])
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
    return model


@pytest.mark.parametrize("name", CONFIGS)
def test_every_expert_learns_and_the_adapter_loads_again(name: str, tmp_path: Path) -> None:
    base = mixture(name)
    assert [one.rpartition(".")[2] for one in expert_names(base)] == ["down_proj", "gate_up_proj"]
    model = add_adapter(base, ADAPTER, seed=0)
    install_forest(model)
    adapters = {key: p for key, p in model.named_parameters() if "lora_" in key}
    linears = [key for key, module in mixture(name).named_modules() if type(module) is torch.nn.Linear]
    for linear in linears:
        assert linear == "lm_head" or any(f"{linear}.lora_A" in key for key in adapters), f"{linear} has no adapter"
    experts = {key: p for key, p in adapters.items() if "experts" in key}
    assert len(experts) == 2 * 2 * 2, "A and B of two tensors in two layers"
    assert all(2 * 4 in p.shape for p in experts.values()), "rank 4 over two experts a token, for four experts"
    batch, policy = grove(), Policy(model)
    with perturbed(model):
        (-policy.logprobs(batch).sum()).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in adapters.values())
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                parameter.normal_(0, 0.1)
        ids = batch.ids_T[None]
        moved = model(ids).logits
        with without_adapter(model):
            assert (model(ids).logits - moved).abs().max() > 1e-2
        model.save_pretrained(tmp_path)
        again = load_adapter(mixture(name), tmp_path)
        torch.testing.assert_close(again(ids).logits, moved)
        torch.testing.assert_close(merge_adapter(again)(ids).logits, moved, atol=1e-4, rtol=1e-3)


def test_the_fast_path_over_adapted_experts_is_proved() -> None:
    model = add_adapter(mixture("Mixtral"), ADAPTER, seed=0)
    install_forest(model)
    check = self_check(Policy(model), grove(), "auto")
    assert check.path != "plain" and check.passed, check.reason


def test_what_becomes_of_the_experts_is_said() -> None:
    base = mixture("Mixtral")
    assert "% of the base's weights) get an adapter of rank 2 each" in (expert_notes(base, ADAPTER) or "")
    dropout = Lora(rank=4, alpha=8.0, dropout=0.1)
    assert "get no adapter and stay as they are: PEFT gives them no dropout" in (expert_notes(base, dropout) or "")
    few = Lora(rank=4, alpha=8.0, targets=["q_proj"])
    assert "adapter.targets does not name them" in (expert_notes(base, few) or "")
    named = Lora(rank=4, alpha=8.0, targets=["q_proj", "experts.down_proj"])
    assert experts_of(base, named) == ["mlp.experts.down_proj"]
    assert expert_notes(base, Full()) is None and expert_notes(tiny("Llama"), ADAPTER) is None
    rest = add_adapter(base, dropout, seed=0)
    names = [key for key, _ in rest.named_parameters() if "lora_A" in key]
    assert names and not any("experts" in key for key in names), "the rest is adapted all the same"
    assert "nor do mlp.shared_expert.down_proj.weight" in (expert_notes(mixture("Qwen2Moe"), dropout) or "")
