"""Shapes of public models, so that a plan needs neither network nor licence: numbers from their config.json or paper.

`published` is the exact count that the model's own page or files give (the sum over its safetensors), or None where
only a rounded one was published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whet.planning.model_shape import ModelShape, read_shape


@dataclass(frozen=True, slots=True)
class Public:
    """A public model: its name here, its place on the Hub, and where the numbers come from."""

    name: str
    hub: str | None
    config: dict[str, Any]
    published: int | None
    source: str

    @property
    def shape(self) -> ModelShape:
        return read_shape(self.config, self.name)


def _decoder(
    kind: str, vocabulary: int, hidden: int, layers: int, heads: int, key_heads: int, width: int, context: int,
    tied: bool = False, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    sizes = {"vocab_size": vocabulary, "hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": width}
    sizes |= {"num_attention_heads": heads, "num_key_value_heads": key_heads, "max_position_embeddings": context}
    return {"model_type": kind, "tie_word_embeddings": tied} | sizes | more


def _gpt2(hidden: int, layers: int, heads: int, context: int) -> dict[str, Any]:
    sizes = {"vocab_size": 50257, "n_embd": hidden, "n_layer": layers, "n_head": heads, "n_positions": context}
    return {"model_type": "gpt2", **sizes}


CONFIG = "config.json of the model's page on the Hugging Face Hub"
LLAMA1 = "Touvron et al. 2023 (arXiv 2302.13971), table 2"
GPT3 = "Brown et al. 2020 (arXiv 2005.14165), table 2.1; the architecture is GPT-2's"

PUBLIC = {
    model.name: model
    for model in (
        Public("llama-7b", None, _decoder("llama", 32000, 4096, 32, 32, 32, 11008, 2048), 6_738_415_616, LLAMA1),
        Public("llama-13b", None, _decoder("llama", 32000, 5120, 40, 40, 40, 13824, 2048), 13_015_864_320, LLAMA1),
        Public("llama-33b", None, _decoder("llama", 32000, 6656, 60, 52, 52, 17920, 2048), 32_528_943_616, LLAMA1),
        Public("llama-65b", None, _decoder("llama", 32000, 8192, 80, 64, 64, 22016, 2048), 65_285_660_672, LLAMA1),
        Public("llama-2-7b", "meta-llama/Llama-2-7b-hf",
               _decoder("llama", 32000, 4096, 32, 32, 32, 11008, 4096), 6_738_415_616, CONFIG),
        Public("llama-2-13b", "meta-llama/Llama-2-13b-hf",
               _decoder("llama", 32000, 5120, 40, 40, 40, 13824, 4096), 13_015_864_320, CONFIG),
        Public("llama-2-70b", "meta-llama/Llama-2-70b-hf",
               _decoder("llama", 32000, 8192, 80, 64, 8, 28672, 4096), 68_976_648_192, CONFIG),
        Public("llama-3-8b", "meta-llama/Meta-Llama-3-8B",
               _decoder("llama", 128256, 4096, 32, 32, 8, 14336, 8192), 8_030_261_248, CONFIG),
        Public("llama-3-70b", "meta-llama/Meta-Llama-3-70B",
               _decoder("llama", 128256, 8192, 80, 64, 8, 28672, 8192), 70_553_706_496, CONFIG),
        Public("llama-3.2-1b", "meta-llama/Llama-3.2-1B",
               _decoder("llama", 128256, 2048, 16, 32, 8, 8192, 131072, True), 1_235_814_400, CONFIG),
        Public("llama-3.2-3b", "meta-llama/Llama-3.2-3B",
               _decoder("llama", 128256, 3072, 28, 24, 8, 8192, 131072, True), 3_212_749_824, CONFIG),
        Public("mistral-7b", "mistralai/Mistral-7B-v0.1",
               _decoder("mistral", 32000, 4096, 32, 32, 8, 14336, 32768), 7_241_732_096, CONFIG),
        Public("mixtral-8x7b", "mistralai/Mixtral-8x7B-v0.1",
               _decoder("mixtral", 32000, 4096, 32, 32, 8, 14336, 32768, num_local_experts=8),
               46_702_792_704, CONFIG),
        Public("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B",
               _decoder("qwen2", 151936, 896, 24, 14, 2, 4864, 32768, True), 494_032_768, CONFIG),
        Public("qwen2.5-1.5b", "Qwen/Qwen2.5-1.5B",
               _decoder("qwen2", 151936, 1536, 28, 12, 2, 8960, 131072, True), 1_543_714_304, CONFIG),
        Public("qwen2.5-3b", "Qwen/Qwen2.5-3B",
               _decoder("qwen2", 151936, 2048, 36, 16, 2, 11008, 32768, True), 3_085_938_688, CONFIG),
        Public("qwen2.5-7b", "Qwen/Qwen2.5-7B",
               _decoder("qwen2", 152064, 3584, 28, 28, 4, 18944, 131072), 7_615_616_512, CONFIG),
        Public("qwen2.5-14b", "Qwen/Qwen2.5-14B",
               _decoder("qwen2", 152064, 5120, 48, 40, 8, 13824, 131072), 14_770_033_664, CONFIG),
        Public("qwen2.5-32b", "Qwen/Qwen2.5-32B",
               _decoder("qwen2", 152064, 5120, 64, 40, 8, 27648, 131072), 32_763_876_352, CONFIG),
        Public("qwen2.5-72b", "Qwen/Qwen2.5-72B",
               _decoder("qwen2", 152064, 8192, 80, 64, 8, 29568, 131072), 72_706_203_648, CONFIG),
        Public("qwen3-0.6b", "Qwen/Qwen3-0.6B",
               _decoder("qwen3", 151936, 1024, 28, 16, 8, 3072, 40960, True, head_dim=128), 596_049_920, CONFIG),
        Public("qwen3-8b", "Qwen/Qwen3-8B",
               _decoder("qwen3", 151936, 4096, 36, 32, 8, 12288, 40960, head_dim=128), 8_190_735_360, CONFIG),
        Public("smollm2-135m", "HuggingFaceTB/SmolLM2-135M",
               _decoder("llama", 49152, 576, 30, 9, 3, 1536, 8192, True), 134_515_008, CONFIG),
        Public("smollm2-360m", "HuggingFaceTB/SmolLM2-360M",
               _decoder("llama", 49152, 960, 32, 15, 5, 2560, 8192, True), 361_821_120, CONFIG),
        Public("smollm2-1.7b", "HuggingFaceTB/SmolLM2-1.7B",
               _decoder("llama", 49152, 2048, 24, 32, 32, 8192, 8192, True), 1_711_376_384, CONFIG),
        Public("phi-3-mini", "microsoft/Phi-3-mini-4k-instruct",
               _decoder("phi3", 32064, 3072, 32, 32, 32, 8192, 4096), 3_821_079_552, CONFIG),
        Public("gemma-2-2b", "google/gemma-2-2b",
               _decoder("gemma2", 256000, 2304, 26, 8, 4, 9216, 8192, True, head_dim=256), 2_614_341_888, CONFIG),
        Public("gemma-2-9b", "google/gemma-2-9b",
               _decoder("gemma2", 256000, 3584, 42, 16, 8, 14336, 8192, True, head_dim=256), 9_241_705_984, CONFIG),
        Public("olmo-2-7b", "allenai/OLMo-2-1124-7B",
               _decoder("olmo2", 100352, 4096, 32, 32, 32, 11008, 4096), 7_298_617_344, CONFIG),
        Public("gpt2", "openai-community/gpt2", _gpt2(768, 12, 12, 1024), 124_439_808, CONFIG),
        Public("gpt2-xl", "openai-community/gpt2-xl", _gpt2(1600, 48, 25, 1024), 1_557_611_200, CONFIG),
        Public("gpt-3-175b", None, _gpt2(12288, 96, 96, 2048), None, GPT3),
    )
}  # fmt: skip


def find_public(name: str) -> Public | None:
    """The public model of this name here or on the Hub, whatever its letters' case; None where there is none."""
    wanted = name.lower()
    return next((m for m in PUBLIC.values() if wanted in (m.name, (m.hub or "").lower())), None)
