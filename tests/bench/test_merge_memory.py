"""A merge holds one tensor in memory and not the model: at the widths of a 7B, and however deep it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.merge_memory import measured, shards

LAYER = 405e6
"""Bytes of a layer in 16 bits."""
ENOUGH = 4e9


@pytest.mark.slow
def test_a_merge_of_a_7b_shape_stays_small(tmp_path: Path) -> None:
    one, two = (measured(layers, tmp_path) for layers in (1, 2))
    assert two["weights"] - one["weights"] > 0.95 * LAYER
    assert max(one["peak"], two["peak"]) < ENOUGH
    assert two["peak"] - one["peak"] < LAYER / 10
    assert not list(tmp_path.iterdir())


def test_the_shape_is_that_of_llama_2_7b() -> None:
    numbers = 0
    for plan in shards(32):
        for tensor in plan.values():
            numbers += tensor.bytes // tensor.dtype.itemsize
    assert numbers == 6_738_415_616
