"""Suggested settings fit, give up as little as they can, and are keys of a recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from whet.planning.memory import Setting, predict
from whet.planning.public_models import PUBLIC
from whet.planning.settings import MARGIN, as_override, ladder, smallest, suggest
from whet.recipe.load import load_recipe

SHAPE = PUBLIC["llama-2-7b"].shape
LORA = Setting(tokens=4096, longest=1024, rank=16, device="cuda", process=600_000_000)
FULL = replace(LORA, rank=None)


def gb(size: float) -> int:
    return int(size * 1e9)


def test_what_fits_is_left_as_it_is() -> None:
    found = suggest(SHAPE, LORA, gb(200))
    assert found and found.keys == {} and found.memory == predict(SHAPE, LORA)


def test_a_smaller_micro_batch_comes_before_anything_else() -> None:
    enough_for_half = int(predict(SHAPE, replace(LORA, tokens=2048)).total * MARGIN) + 1
    found = suggest(SHAPE, LORA, enough_for_half)
    assert found and found.keys == {"micro_batch_tokens": 2048}


def test_a_7b_lora_in_16_bits_fits_into_24_gb_with_smaller_micro_batches() -> None:
    found = suggest(SHAPE, LORA, gb(24))
    assert found and set(found.keys) == {"micro_batch_tokens"}


def test_layers_are_recomputed_before_the_base_is_quantised() -> None:
    found = suggest(SHAPE, LORA, gb(19))
    assert found and found.keys.get("recompute") is True and "quantise" not in found.keys


def test_a_7b_lora_in_8_gb_needs_4_bits() -> None:
    found = suggest(SHAPE, LORA, gb(8))
    assert found and found.keys["quantise"] == "nf4"


def test_full_fine_tuning_gives_way_to_an_adapter_where_it_cannot_fit() -> None:
    found = suggest(SHAPE, FULL, gb(40))
    assert found and found.keys["adapter"] == {"kind": "lora", "rank": 16}


@pytest.mark.parametrize("size", [6, 8, 16, 24, 48, 80, 141])
def test_what_is_suggested_fits_with_a_tenth_to_spare(size: int) -> None:
    found = suggest(SHAPE, FULL, gb(size))
    assert found is None or found.memory.total * MARGIN <= gb(size)


@pytest.mark.parametrize("asked", [LORA, FULL])
def test_rows_are_never_cut(asked: Setting) -> None:
    assert min(setting.tokens for setting in ladder(asked)) == asked.longest


def test_nothing_is_suggested_where_nothing_fits_and_the_least_is_known() -> None:
    assert suggest(SHAPE, LORA, gb(1)) is None
    assert 3e9 < smallest(SHAPE, LORA).total < 6e9


def test_suggested_keys_can_be_set() -> None:
    found = suggest(SHAPE, FULL, gb(24))
    assert found
    load_recipe({"data": "x.jsonl"}, [as_override(key, value) for key, value in found.keys.items()])
