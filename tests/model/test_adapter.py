"""An adapter of zeros changes nothing, a saved adapter comes back to the bit, a foreign base is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny_models import grove, tiny
from whet.errors import ModelError
from whet.model.adapter import add_adapter, causal_lm, is_adapted, load_adapter, without_adapter
from whet.model.architecture_proof import install_forest
from whet.model.policy import Policy
from whet.model.saved_model import save_weights
from whet.recipe.schema import Full, Lora

LORA = Lora(rank=4, alpha=8.0)
NAMES = ["Llama", "GPT2", "Mixtral"]


def logprobs(model: Any) -> torch.Tensor:
    install_forest(causal_lm(model))
    with torch.no_grad():
        return Policy(model.eval()).logprobs(grove())


def trained(name: str, dtype: torch.dtype = torch.float32) -> Any:
    """A LoRA whose every tensor is away from zero."""
    model = add_adapter(in_dtype(name, dtype), LORA, seed=0)
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in Policy(model).trainable().values():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=random))
    return model


def in_dtype(name: str, dtype: torch.dtype) -> Any:
    """As load_base gives it: weights in the dtype, rotary frequencies in float32."""
    model = tiny(name)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_of_zeros_changes_nothing(name: str) -> None:
    assert torch.equal(logprobs(add_adapter(tiny(name), LORA, seed=0)), logprobs(tiny(name)))


@pytest.mark.parametrize("name", NAMES)
def test_without_the_adapter_the_base_answers(name: str) -> None:
    model = trained(name)
    tuned, base = logprobs(model), logprobs(tiny(name))
    assert not torch.allclose(tuned, base, atol=1e-2)
    with without_adapter(model):
        assert torch.equal(logprobs(model), base)
    assert torch.equal(logprobs(model), tuned)
    assert all(p.requires_grad for n, p in model.named_parameters() if "lora_" in n)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_a_saved_adapter_comes_back_to_the_bit(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    model = trained(name, dtype)
    before = logprobs(model)
    model.save_pretrained(tmp_path)
    loaded = load_adapter(in_dtype(name, dtype), tmp_path)
    assert {p.dtype for p in loaded.parameters()} == {dtype}
    assert torch.equal(logprobs(loaded), before)


def test_loading_leaves_the_rotary_frequencies_in_float32(tmp_path: Path) -> None:
    """peft_model.to(bfloat16) would round them: base and tuned would then be measured with other positions."""
    trained("Llama", torch.bfloat16).save_pretrained(tmp_path)
    loaded = load_adapter(in_dtype("Llama", torch.bfloat16), tmp_path)
    assert causal_lm(loaded).model.rotary_emb.inv_freq.dtype == torch.float32


@pytest.mark.parametrize(
    "base",
    [
        ("Llama", {"num_hidden_layers": 1}),
        ("Llama", {"hidden_size": 48}),
        ("Llama", {"intermediate_size": 44}),
        ("GPT2", {}),
        ("Phi3", {}),
    ],
    ids=lambda base: f"{base[0]} {base[1]}",
)
def test_a_base_of_another_shape_is_refused(base: tuple[str, dict[str, int]], tmp_path: Path) -> None:
    trained("Llama").save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="base") as caught:
        load_adapter(tiny(base[0], **base[1]), tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_an_adapter_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    """PEFT warns and leaves that layer untrained."""
    trained("Llama").save_pretrained(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    tensors = load_file(path)
    gone = sorted(tensors)[0]
    del tensors[gone]
    save_file(tensors, path)
    with pytest.raises(ModelError, match="27 tensors") as caught:
        load_adapter(tiny("Llama"), tmp_path)
    assert gone in str(caught.value)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    trained("Llama").save_pretrained(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_adapter(tiny("Llama"), tmp_path)


def test_damaged_adapters_are_refused(tmp_path: Path) -> None:
    trained("Llama").save_pretrained(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError):
        load_adapter(tiny("Llama"), tmp_path)


def test_targets_that_match_nothing_name_what_there_is() -> None:
    with pytest.raises(ModelError, match="c_attn"):
        add_adapter(tiny("GPT2"), Lora(rank=4, alpha=8.0, targets=["q_proj"]), 0)


def test_the_output_layer_takes_no_adapter() -> None:
    """Its adapter would be trained by nothing and served by everything else."""
    with pytest.raises(ModelError, match="output layer"):
        add_adapter(tiny("Qwen2"), Lora(rank=4, alpha=8.0, targets=["q_proj", "lm_head"]), 0)


def test_the_start_comes_from_the_seed_and_leaves_the_callers_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, same, other = (add_adapter(tiny("Llama"), LORA, seed) for seed in (1, 1, 2))
    pick = "base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight"
    assert torch.equal(one.get_parameter(pick), same.get_parameter(pick))
    assert not torch.equal(one.get_parameter(pick), other.get_parameter(pick))
    torch.set_rng_state(state)
    model = tiny("Llama")
    after = torch.get_rng_state()
    add_adapter(model, LORA, 1)
    assert torch.equal(after, torch.get_rng_state())


def test_full_means_every_weight() -> None:
    model = tiny("Llama").requires_grad_(False)
    full = add_adapter(model, Full(), 0)
    assert full is model and not is_adapted(full)
    assert len(Policy(full).trainable()) == len(list(model.parameters()))


def test_the_config_of_an_adapter_does_not_depend_on_the_process(tmp_path: Path) -> None:
    """PEFT holds these names in a set, whose order is another in each process; few are this one."""
    model = add_adapter(tiny("Llama"), LORA, seed=0)
    save_weights(model, tmp_path)
    names = json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"]
    assert names == sorted(names) and len(names) == 14
    assert not (tmp_path / "README.md").exists()
