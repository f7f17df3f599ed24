"""Sizes that a base's config.json may name. A model of a thousand million layers would be built layer by layer before
anything else could speak against it; a size of nothing divides by zero somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whet.errors import ModelError

LARGEST = {
    "num_hidden_layers": 10_000,
    "num_layers": 10_000,
    "n_layer": 10_000,
    "n_layers": 10_000,
    "num_attention_heads": 100_000,
    "num_key_value_heads": 100_000,
    "n_head": 100_000,
    "n_heads": 100_000,
    "head_dim": 100_000,
    "hidden_size": 1_000_000,
    "n_embd": 1_000_000,
    "d_model": 1_000_000,
    "intermediate_size": 10_000_000,
    "n_inner": 10_000_000,
    "ffn_dim": 10_000_000,
    "num_experts": 100_000,
    "num_local_experts": 100_000,
    "n_routed_experts": 100_000,
    "vocab_size": 100_000_000,
    "max_position_embeddings": 1_000_000_000,
    "n_positions": 1_000_000_000,
}
"""A hundred times what published models have, or more."""
MAY_BE_NOTHING = {
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "n_inner",
    "max_position_embeddings",
    "n_positions",
}


def refuse_absurd_sizes(config: Mapping[str, Any], name: str) -> None:
    """`config` is config.json as it stands. Raises ModelError."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            refuse_absurd_sizes(value, name)
        if key not in LARGEST or isinstance(value, bool) or not isinstance(value, int | float):
            continue

        least = 0 if key in MAY_BE_NOTHING else 1
        if not least <= value <= LARGEST[key]:
            raise ModelError(
                f"its config.json cannot be right: {key} is between {least} and {LARGEST[key]:,} in any model",
                where="base",
                value=f"{key}: {value} in {name}",
                fix="copy or download the folder again",
            )
