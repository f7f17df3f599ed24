"""What the base makes of the general text is read once for all runs on it, and never taken from another base."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from whet.evaluation.forgetting.measure_forgetting import read_cached
from whet.model.base import Base

TEXTS = ["One.", "Two and three."]


def base(fingerprint: str, dtype: torch.dtype = torch.float32) -> Base:
    text = SimpleNamespace(max_position_embeddings=64)
    model: Any = nn.Linear(2, 2, dtype=dtype)
    model.config = SimpleNamespace(get_text_config=lambda: text)
    return Base("tiny", "tiny", model, None, fingerprint)


def test_it_is_read_once_and_again_for_other_weights_or_texts(tmp_path: Path) -> None:
    calls = []

    def asked(one: Base, texts: list[str] = TEXTS, nats: float = 1.5) -> list[tuple[float, int]]:
        def read() -> list[tuple[float, int]]:
            calls.append(one)
            return [(nats, 3)] * len(texts)

        return read_cached(tmp_path, one, texts, read)

    assert asked(base("a")) == asked(base("a"), nats=9.0) == [(1.5, 3)] * 2 and len(calls) == 1
    assert asked(base("b"), nats=2.0) == [(2.0, 3)] * 2
    assert asked(base("a", torch.bfloat16), nats=3.0) == [(3.0, 3)] * 2
    assert asked(base("a"), [*TEXTS, "Four."], nats=4.0) == [(4.0, 3)] * 3 and len(calls) == 4


def test_without_a_cache_it_is_read_and_what_is_no_number_is_not_kept(tmp_path: Path) -> None:
    assert read_cached(None, base("a"), TEXTS, lambda: [(1.0, 2)] * 2) == [(1.0, 2)] * 2
    broken = read_cached(tmp_path, base("a"), TEXTS, lambda: [(math.nan, 2)] * 2)
    assert math.isnan(broken[0][0]) and not list(tmp_path.iterdir())
