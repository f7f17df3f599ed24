"""A base that could not be served where the recipe's `release` says, told from its config before the data is read."""

from __future__ import annotations

from whet.errors import ModelError
from whet.model.base import load_config
from whet.model.experts import COUNTS
from whet.model.gguf.families import refused_family
from whet.recipe.schema import Lora, Recipe
from whet.recipe.sections.release import Release, served_as
from whet.recipe.vllm_limits import refused_vocabulary

MERGED = "set release.for: merged: transformers and vLLM read merged weights of any base; or take another base"


def refuse_unserved_base(recipe: Recipe) -> None:
    """Raises ModelError."""
    release: Release | None = recipe.release
    if release is None:
        return
    config, forms = load_config(recipe.base, recipe.trust_remote_code), served_as(release)

    why = None
    if {"gguf", "ollama"} & set(forms):
        why = refused_family(config.model_type)
    if why is None and "vllm" in forms and isinstance(recipe.adapter, Lora):
        why = refused_vocabulary(config.model_type, config.vocab_size)
        if recipe.adapter.targets == "all-linear" and any(getattr(config, name, None) for name in COUNTS):
            why = why or "the base is a mixture of experts, and vLLM reads no adapters of their tensors"

    if why is not None:
        asked = f"release.for: {', '.join(forms)}"
        raise ModelError(why, where=f"base {recipe.base!r}", value=asked, fix=MERGED)
