"""Random models of each family, written and asked in llama.cpp: what it says is what transformers says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_models import CONFIGS, tiny
from whet.release.consumers.llama_cpp import open_consumer
from whet.release.consumers.protocol import Served
from whet.release.gguf.write import GgufSource, write_gguf

NANO = Path(__file__).parents[3] / "whet" / "model" / "nano"
SHAPE = {"vocab_size": 4128, "hidden_size": 64, "intermediate_size": 96, "max_position_embeddings": 256}
SIX = ["sliding_attention"] * 5 + ["full_attention"]
LONG = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"tie_word_embeddings": False, "attention_bias": True}),
    "llama3": ("Llama", {"rope_parameters": {
        "rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192}}),
    "linear": ("Llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}}),
    "mistral": ("Mistral", {"sliding_window": 128}),
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", {"head_dim": 32}),
    "gemma": ("Gemma", {"head_dim": 16, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2}),
    "gemma2": ("Gemma2", {"head_dim": 16, "query_pre_attn_scalar": 16}),
    "gemma3": ("Gemma3", {
        "head_dim": 16, "query_pre_attn_scalar": 16, "num_hidden_layers": 6, "layer_types": SIX}),
    "phi3": ("Phi3", {}),
    "phi3-long": ("Phi3", {
        "original_max_position_embeddings": 512,
        "rope_parameters": LONG | {"long_factor": [2.0] * 8, "attention_factor": 1.2}}),
}  # fmt: skip
CURVED = 1e-2
"""ggml takes the GELU of Gemma from a table in float16; all else is computed in float32."""
PROMPT, ANSWER = [3, 894, 16, 225, 21, 22, 23, 30, 319, 587, 1, 4], [55, 1884, 2112, 1895, 3285, 1]


def folder_of(path: Path, name: str) -> tuple[Any, Path]:
    kind, changes = FAMILIES[name]
    shape = SHAPE | {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1} | changes
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CONFIGS, "Gemma", {})
        model = tiny(kind, **shape)
    model.save_pretrained(path)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(NANO / file, path)
    return model, path


@torch.no_grad()
def logprobs(model: Any, prompt: list[int], answer: list[int]) -> list[float]:
    logits = model(torch.tensor([prompt + answer])).logits.float().log_softmax(-1)[0]
    return [float(logits[len(prompt) - 1 + n, token]) for n, token in enumerate(answer)]


@pytest.mark.parametrize("name", FAMILIES)
def test_llama_cpp_says_what_transformers_says(name: str, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    model, folder = folder_of(tmp_path / "model", name)
    write_gguf(GgufSource(folder, [1], name), "f32", tmp_path / "model.gguf")
    prompt = PROMPT * (3 if "sliding" in str(FAMILIES[name]) or name == "gemma2" else 1)  # longer than the window
    opened = open_consumer(Served(folder=tmp_path, main="model.gguf"))
    try:
        found = opened.logprobs(prompt, ANSWER)
    finally:
        opened.close()
    assert found == pytest.approx(logprobs(model, prompt, ANSWER), abs=CURVED if "gemma" in name else 1e-3)
