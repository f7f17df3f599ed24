"""A base that could not be served where the recipe says: told from its config, by every verb that comes before one
that trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import GPT2Config, LlamaConfig, MixtralConfig, PreTrainedConfig

from whet import api
from whet.errors import ModelError
from whet.evaluation.preflight.release import refuse_unserved_base
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe

SMALL: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def asked(folder: Path, config: PreTrainedConfig, forms: Any, **keys: Any) -> Recipe:
    config.save_pretrained(folder / "base")
    return load_recipe({"data": "d.jsonl", "base": str(folder / "base"), "release": {"for": forms}} | keys)


@pytest.mark.parametrize(
    ("config", "forms", "said"),
    [
        (GPT2Config(n_layer=1), "gguf", "the family 'gpt2' are not written as GGUF; these are: Llama, Mistral"),
        (GPT2Config(n_layer=1), ["vllm", "ollama"], "the family 'gpt2' are not written as GGUF"),
        (LlamaConfig(**SMALL, vocab_size=258_049), "vllm", "the base has 258,049 tokens, and vLLM .* at most 258,048"),
        (MixtralConfig(**SMALL), "vllm", "mixture of experts"),
    ],
)
def test_it_is_refused(tmp_path: Path, config: PreTrainedConfig, forms: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said) as error:
        refuse_unserved_base(asked(tmp_path, config, forms))
    assert str(tmp_path / "base") in error.value.where and "set release.for: merged" in error.value.fix
    refuse_unserved_base(asked(tmp_path, config, "merged"))


@pytest.mark.parametrize(
    ("config", "forms", "adapter"),
    [
        (GPT2Config(n_layer=1), "vllm", {}),
        (LlamaConfig(**SMALL, vocab_size=258_048), ["vllm", "gguf", "ollama", "adapter"], {}),
        (LlamaConfig(**SMALL, vocab_size=300_000), "vllm", {"kind": "full"}),
        (MixtralConfig(**SMALL), "vllm", {"targets": ["q_proj", "v_proj"]}),
    ],
)
def test_what_is_served_passes(tmp_path: Path, config: PreTrainedConfig, forms: Any, adapter: dict[str, Any]) -> None:
    refuse_unserved_base(asked(tmp_path, config, forms, adapter=adapter))


@pytest.mark.parametrize("verb", [api.check, api.plan, api.tune, api.train])
def test_every_verb_refuses_it_before_it_reads_the_data(tmp_path: Path, verb: Any) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text("{", "utf-8")
    recipe = asked(tmp_path, GPT2Config(n_layer=1), "gguf", data=str(data))
    with pytest.raises(ModelError, match="not written as GGUF"):
        verb(recipe, run_root=tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("*/run.json"))
