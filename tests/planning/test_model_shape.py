"""Parameter counts from a config alone are those of transformers' own models, and of the adapters that PEFT makes."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.tiny_models import CONFIGS, config_of
from whet.errors import ModelError
from whet.model.adapter import add_adapter
from whet.planning.adapter_size import Options, adapter_numbers
from whet.planning.memory import Setting, is_fused
from whet.planning.model_shape import FAMILIES, read_shape
from whet.planning.module_names import numbers_of
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


@pytest.mark.parametrize(("name", "changes"), [(name, {}) for name in KNOWN] + VARIANTS)
def test_every_module_has_the_name_and_the_numbers_of_transformers(name: str, changes: dict[str, object]) -> None:
    shape, model = read_shape((config := config_of(name, **changes)).to_dict()), on_meta(config)
    found = {path: sum(p.numel() for p in model.get_submodule(path).parameters()) for path in numbers_of(shape)}
    assert numbers_of(shape) == found and sum(found.values()) == shape.parameters


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("Llama", ["mlp"]),
        ("Llama", ["model.embed_tokens"]),
        ("Llama", ["norm"]),
        ("Llama", ["norm", "input_layernorm", "model.norm"]),
        ("Llama", ["self_attn"]),
        ("Llama", ["mlp.down_proj"]),
        ("Llama", ["layers.1.mlp", "mlp.up_proj"]),
        ("Qwen3", ["lm_head", "q_norm"]),
        ("Olmo2", ["self_attn"]),
        ("GPT2", ["wpe", "attn.c_proj"]),
        ("GPTNeoX", ["embed_in", "dense"]),
        ("Mixtral", ["gate"]),
    ],
)
def test_what_is_trained_whole_counts_as_peft_counts_it(name: str, saved: list[str]) -> None:
    config = config_of(name)
    adapted = add_adapter(on_meta(config), Lora(rank=4, alpha=8.0, modules_to_save=saved), seed=0)
    made = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert adapter_numbers(read_shape(config.to_dict()), 4, "all-linear", Options(saved=tuple(saved))) == made


@pytest.mark.parametrize("ranks", [{".*": 3}, {"experts.down_proj": 3}, {"down_proj": 16, ".*": 1}, {"o_proj": 3}])
def test_ranks_of_experts_are_the_users_first(ranks: dict[str, int]) -> None:
    config = config_of("Mixtral")
    adapted = add_adapter(on_meta(config), Lora(rank=4, alpha=8.0, rank_pattern=ranks), seed=0)
    made = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    shape = read_shape(config.to_dict())
    assert adapter_numbers(shape, 4, "all-linear", Options(ranks=tuple(ranks.items()))) == made
    assert made != adapter_numbers(shape, 4, "all-linear", Options())


def test_a_module_that_is_not_known_is_not_forecast() -> None:
    with pytest.raises(ModelError, match="is not known; did you mean 'down_proj'"):
        adapter_numbers(read_shape(config_of("Llama").to_dict()), 4, "all-linear", Options(saved=("down_prj",)))


def test_layers_with_a_module_that_is_trained_whole_are_not_fused() -> None:
    shape = read_shape(config_of("Llama").to_dict())
    for saved, fused in (("embed_tokens", True), ("norm", True), ("mlp", False), ("input_layernorm", False)):
        assert is_fused(shape, Setting(8, 8, rank=4, options=Options(saved=(saved,)))) == fused, saved


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
