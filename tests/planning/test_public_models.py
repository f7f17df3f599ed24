"""Public models have the published numbers of parameters, and adapters the sizes that papers report."""

from __future__ import annotations

import pytest

from whet.planning.memory import Setting, predict
from whet.planning.model_shape import Linear
from whet.planning.public_models import PUBLIC, Public, find_public

EXACT = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "mistral-7b": 7_241_732_096,
    "smollm2-135m": 134_515_008,
    "gpt2": 124_439_808,
}


@pytest.mark.parametrize("model", PUBLIC.values(), ids=lambda model: model.name)
def test_the_count_is_the_published_one(model: Public) -> None:
    assert model.published in (None, model.shape.parameters)


def test_counts_that_everybody_knows() -> None:
    assert {name: PUBLIC[name].shape.parameters for name in EXACT} == EXACT


def test_gpt3_has_175_billion() -> None:
    assert round(PUBLIC["gpt-3-175b"].shape.parameters / 1e9) == 175


@pytest.mark.parametrize(("rank", "millions"), [(1, 4.7), (4, 18.9), (8, 37.7)])
def test_lora_on_queries_and_values_of_gpt3_has_the_papers_size(rank: int, millions: float) -> None:
    """Hu et al. 2021, table 4: 4.7M and 37.7M. GPT-2 makes queries, keys and values with one map; the paper adapts
    queries and values as two maps of their own, as here."""
    shape = PUBLIC["gpt-3-175b"].shape
    queries = Linear("q_proj", shape.hidden, shape.hidden)
    numbers = shape.layers * 2 * rank * (queries.inputs + queries.outputs)
    assert round(numbers / 1e6, 1) == millions


def test_a_model_is_found_by_its_name_here_and_on_the_hub() -> None:
    assert find_public("meta-llama/llama-2-7B-hf") is find_public("llama-2-7b") is PUBLIC["llama-2-7b"]
    assert find_public("nano") is None


def test_65b_fits_into_48_gb_only_in_4_bits() -> None:
    """Dettmers et al. 2023: a 65B model is tuned on one 48 GB GPU, instead of more than 780 GB."""
    shape, qlora = PUBLIC["llama-65b"].shape, Setting(512, 512, rank=16, recompute=True, quantised=True, device="cuda")
    assert predict(shape, qlora).total < 48e9
    assert predict(shape, Setting(512, 512, device="cuda")).total > 780e9
