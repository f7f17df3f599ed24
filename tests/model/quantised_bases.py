"""Tiny bases whose layers are wide enough for 4-bit blocks, on disk and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.tiny_models import tiny, tiny_tokenizer
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.base import Base, load_base
from whet.model.policy import Policy
from whet.recipe.schema import Lora

WIDE = {"hidden_size": 64, "intermediate_size": 128}
GPT2 = {"n_embd": 64}
HEADS = {"Gemma3": {"head_dim": 16}, "Qwen3": {"head_dim": 16}}


def saved(folder: Path, name: str = "Llama", shard: str = "50GB", seed: int = 0, **changes: Any) -> Path:
    """A random base in its folder, in float32 unless `dtype` says otherwise, in shards of at most `shard`."""
    dtype = changes.pop("dtype", torch.float32)
    model = tiny(name, seed, **{**(GPT2 if name == "GPT2" else WIDE), **HEADS.get(name, {}), **changes})
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def quantised(folder: Path, dtype: torch.dtype = torch.float32) -> Base:
    return load_base(str(folder), dtype, quantise="nf4")


def adapted(folder: Path, dtype: torch.dtype, dropout: float = 0.0) -> Policy:
    """A quantised base with an adapter of scale 2 that has learned something."""
    base = quantised(folder, dtype)
    install_forest(base.model)
    model = add_adapter(base.model, Lora(rank=4, alpha=8.0, dropout=dropout), seed=0)
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in Policy(model).trainable().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
    return Policy(model)
