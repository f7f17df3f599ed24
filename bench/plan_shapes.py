"""The combinations that the planner's predictions are measured on: shapes of public models and of nano's kind."""

from __future__ import annotations

from typing import Any

LLAMA = {"model_type": "llama", "head_dim": 64, "tie_word_embeddings": True, "max_position_embeddings": 2048}
SHAPES: dict[str, dict[str, Any]] = {
    "3M": {"vocab_size": 4096, "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 6}
    | {"num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 32},
    "30M": {"vocab_size": 16384, "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 14}
    | {"num_attention_heads": 6, "num_key_value_heads": 2},
    "135M": {"vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30}
    | {"num_attention_heads": 9, "num_key_value_heads": 3},
    "360M": {"vocab_size": 49152, "hidden_size": 960, "intermediate_size": 2560, "num_hidden_layers": 32}
    | {"num_attention_heads": 15, "num_key_value_heads": 5},
}
"""nano, a shape between, SmolLM2-135M and SmolLM2-360M."""

COMBINATIONS: list[dict[str, Any]] = [
    {"shape": shape, "method": method, "length": length, "batch": batch, "dtype": dtype}
    for shape, method, length, batch, dtype in (
        ("3M", "lora", 128, 64, "bfloat16"),
        ("3M", "full", 512, 16, "bfloat16"),
        ("3M", "lora, recompute", 1024, 8, "bfloat16"),
        ("3M", "full", 256, 16, "float32"),
        ("30M", "lora", 256, 16, "bfloat16"),
        ("30M", "full", 1024, 4, "bfloat16"),
        ("30M", "full, recompute", 512, 8, "bfloat16"),
        ("30M", "lora", 128, 16, "float32"),
        ("135M", "lora", 512, 4, "bfloat16"),
        ("135M", "lora, recompute", 512, 4, "bfloat16"),
        ("135M", "full", 128, 8, "bfloat16"),
        ("135M", "lora", 1024, 1, "float32"),
        ("360M", "lora", 256, 4, "bfloat16"),
        ("360M", "lora, recompute", 1024, 1, "bfloat16"),
        ("360M", "full", 128, 2, "bfloat16"),
        ("360M", "full, recompute", 256, 2, "float32"),
    )
]
"""method, tokens of a row, rows of a micro-batch."""
