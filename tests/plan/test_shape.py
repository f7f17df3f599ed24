"""Parameter counts from a config alone are those of transformers' own models, and of the adapters that PEFT makes."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.tiny_models import CONFIGS, config_of
from whet.errors import ModelError
from whet.model.adapter import add_adapter
from whet.plan.adapter import Options, adapter_numbers
from whet.plan.shape import FAMILIES, read_shape
from whet.recipe.schema import Lora

KNOWN = [name for name in CONFIGS if name != "Cohere"]
VARIANTS = [
    ("Llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False}),
    ("Llama", {"head_dim": 16, "num_key_value_heads": 1}),
    ("Qwen3", {"attention_bias": True}),
    ("GPT2", {"n_inner": 72, "tie_word_embeddings": False}),
    ("GPTNeoX", {"attention_bias": False, "tie_word_embeddings": True}),
    ("Mixtral", {"num_local_experts": 3, "tie_word_embeddings": True}),
]


def on_meta(config: object) -> torch.nn.Module:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize(("name", "changes"), [(name, {}) for name in KNOWN] + VARIANTS)
def test_the_count_is_that_of_transformers(name: str, changes: dict[str, object]) -> None:
    config = config_of(name, **changes)
    assert read_shape(config.to_dict()).parameters == sum(p.numel() for p in on_meta(config).parameters())


@pytest.mark.parametrize("name", KNOWN)
def test_the_adapter_has_the_size_that_peft_gives_it(name: str) -> None:
    config = config_of(name)
    for rank in (3, 8):
        adapted = add_adapter(on_meta(config), Lora(rank=rank, alpha=8.0), seed=0)
        made = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
        assert adapter_numbers(read_shape(config.to_dict()), rank, "all-linear", Options()) == made


OPTIONS = {
    "dora": (Lora(dora=True), Options(dora=True)),
    "other ranks": (
        Lora(rank_pattern={"v_proj": 7, r"layers\.0\.self_attn\.q_proj": 2}),
        Options(ranks=(("v_proj", 7), (r"layers\.0\.self_attn\.q_proj", 2))),
    ),
    "a trained embedding": (Lora(modules_to_save=["embed_tokens"]), Options(saved=("embed_tokens",))),
    "a trained map and norms": (
        Lora(targets=["q_proj"], modules_to_save=["o_proj"]),
        Options(saved=("o_proj",)),
    ),
}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("adapter", "options"), OPTIONS.values(), ids=OPTIONS)
def test_the_options_of_an_adapter_count_as_peft_counts_them(adapter: Lora, options: Options, tied: bool) -> None:
    config = config_of("Llama", tie_word_embeddings=tied)
    asked = adapter.model_copy(update={"rank": 4, "alpha": 8.0})
    made = sum(p.numel() for p in add_adapter(on_meta(config), asked, seed=0).parameters() if p.requires_grad)
    assert adapter_numbers(read_shape(config.to_dict()), 4, adapter.targets, options) == made


def test_every_family_is_tested() -> None:
    tested = {config_of(name).model_type for name in KNOWN}
    assert set(FAMILIES) - tested <= {"gemma", "smollm3"}


def test_a_vision_models_text_config_is_what_counts() -> None:
    config = config_of("Gemma3").to_dict()
    assert read_shape({"model_type": "gemma3", "text_config": config}) == read_shape(config)


def test_an_unknown_family_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ModelError, match="did you mean 'gpt_neox'"):
        read_shape({"model_type": "gpt-neox"})


def test_a_config_without_a_size_is_refused() -> None:
    config = config_of("Llama").to_dict()
    del config["intermediate_size"]
    with pytest.raises(ModelError, match="intermediate_size"):
        read_shape(config)


def test_a_target_that_no_map_is_called_is_refused() -> None:
    with pytest.raises(ModelError, match="no linear layer has this name"):
        read_shape(config_of("Llama").to_dict()).adapted(["q_proj", "c_attn"])
