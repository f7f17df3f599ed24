"""A micro-batch is as large as the memory plan allows, where a constant would waste the machine."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import BloomConfig, LlamaConfig

from whet.planning import micro_batch as micro
from whet.planning.memory import Setting, predict
from whet.planning.micro_batch import MOST, largest_micro
from whet.planning.public_models import PUBLIC
from whet.planning.settings import SMALL_MICRO, fits
from whet.recipe.rules import DataFacts, micro_batch_tokens
from whet.recipe.schema import Recipe
from whet.training.micro_batch import micro_here, planned_micro

SHAPE = PUBLIC["smollm2-1.7b"].shape
SETTING = Setting(tokens=300, longest=300, rank=16, device="cuda")
RECIPE = Recipe.model_validate({"data": "none.jsonl"})


@pytest.mark.parametrize("gigabytes", [4, 8, 16, 24, 80])
def test_it_fits_and_the_next_does_not(gigabytes: int) -> None:
    memory = gigabytes * 10**9
    tokens, room = largest_micro(SHAPE, SETTING, memory), memory * micro.SHARE["cuda"]
    assert tokens == SMALL_MICRO or fits(predict(SHAPE, replace(SETTING, tokens=tokens)), round(room))
    assert tokens == MOST or not fits(predict(SHAPE, replace(SETTING, tokens=2 * tokens)), round(room))


def test_more_memory_reads_more_tokens_at_once() -> None:
    found = [largest_micro(SHAPE, SETTING, gigabytes * 10**9) for gigabytes in (1, 8, 24, 80)]
    assert found == sorted(found) and found[0] == SMALL_MICRO < found[2] < found[3]


def test_long_rows_and_full_tuning_leave_room_for_fewer() -> None:
    room = 24 * 10**9
    assert largest_micro(SHAPE, replace(SETTING, rank=None, bf16_state=True), room) < largest_micro(
        SHAPE, SETTING, room
    )


def test_a_wide_base_gets_more_than_512_tokens_and_says_why() -> None:
    """Hidden size 2048 on a GPU of 24 GB: the constant gave 512."""
    micro = planned_micro(RECIPE, SHAPE, 300, "bfloat16", "cuda", 24 * 10**9)
    tokens = {"tokens": 10**6, "supervised_tokens": 10**6}
    facts = DataFacts(rows=1000, hidden_size=2048, parameters=10**9, context=4096, **tokens)
    assert micro_batch_tokens(65_536, facts)[0] == 512
    tokens, reason = micro_batch_tokens(65_536, replace(facts, micro=micro))
    assert tokens == micro and tokens >= 2048 and "whet plan" in reason
    assert micro_batch_tokens(100, replace(facts, micro=micro)) == (100, "The whole step fits in one forward pass.")


def test_narrow_bases_on_a_processor_keep_the_constant() -> None:
    assert planned_micro(RECIPE, PUBLIC["smollm2-135m"].shape, 300, "float32", "cpu", 64 * 10**9) is None
    wide = planned_micro(RECIPE, SHAPE, 300, "float32", "cpu", 64 * 10**9)
    assert wide and wide > 512


def test_an_architecture_that_the_plan_does_not_know_keeps_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    config = LlamaConfig(hidden_size=2048)
    monkeypatch.setattr("whet.training.micro_batch.all_memory", lambda device: 64 * 10**9)
    assert micro_here(RECIPE, config, 300, torch.float32, torch.device("cpu"))
    unknown = BloomConfig(hidden_size=2048)
    assert micro_here(RECIPE, unknown, 300, torch.float32, torch.device("cpu")) is None


def test_the_whole_memory_counts_and_not_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or two runs of one recipe on one machine would cut their steps otherwise."""
    config, found = LlamaConfig(hidden_size=2048), []
    for free in (1, 60):
        monkeypatch.setattr("whet.model.accelerator.available_memory", lambda free=free: free * 10**9)
        found.append(micro_here(RECIPE, config, 300, torch.float32, torch.device("cpu")))
    assert found[0] == found[1]
