"""The families of models that are written as GGUF: known from a config, before anything is trained."""

from __future__ import annotations

ARCHITECTURES = {
    "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma": "gemma", "gemma2": "gemma2",
    "gemma3_text": "gemma3", "phi3": "phi3",
}  # fmt: skip
"""Of each `model_type` of transformers, the name in llama.cpp."""
FAMILIES = "Llama, Mistral, Qwen 2 and 3, Gemma 1 to 3, Phi 3 and 4"


def refused_family(kind: object) -> str | None:
    """Why a model of this `model_type` is not written; None where it is."""
    if kind in ARCHITECTURES:
        return None
    return f"models of the family {kind!r} are not written as GGUF; these are: {FAMILIES}"
