"""Memory beside the steps: the planner's counts are the sizes of the real tensors, and its constants the code's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.tiny_models import config_of
from whet.evaluation import models as sides
from whet.generation import continuous_batching as continuous
from whet.generation import decoder_layers as reader
from whet.generation import engine
from whet.generation.decoding_proof import fast_reader
from whet.model.architecture_proof import install_forest
from whet.planning import beside_steps as around
from whet.planning.beside_steps import Around, cache_bytes, checked_logits, checked_tokens, copied_bytes, peak, slots_of
from whet.planning.memory import Setting, predict
from whet.planning.model_shape import read_shape
from whet.planning.public_models import PUBLIC
from whet.training import self_check as selfcheck

SMOL = PUBLIC["smollm2-135m"].shape
LORA = Setting(tokens=512, longest=128, rank=16, bytes_a_number=4)
TUNE = Around(row=100, rows=5, supervised=0.3, answers=40, prompt=120, answer=60)


def test_numbers_copied_from_rooms_below_are_still_theirs() -> None:
    assert (around.CHECKED_ROWS, around.CHECKED_LOGITS) == (selfcheck.ROWS, selfcheck.LOGITS)
    assert (around.MOST_SLOTS, around.FULL_SLOTS, around.COPY_STEPS) == (
        engine.MOST_SLOTS, engine.FULL, engine.COPY_STEPS,
    )  # fmt: skip
    assert around.ROW_GRAIN == reader.ROW_GRAIN and around.ENTERING_TOKENS == continuous.READ_AT_ONCE
    assert around.READ_TOKENS == sides.READ_TOKENS


def test_keys_values_and_joined_weights_have_the_size_of_the_real_ones() -> None:
    config = config_of("Llama")
    model = AutoModelForCausalLM.from_config(config).eval()
    install_forest(model)
    made = fast_reader(model, copies=True)
    assert made is not None
    shape, tune = read_shape(config.to_dict()), Around(row=8, rows=4, answers=6, prompt=10, answer=20)
    slots, capacity = slots_of(tune)
    cache = made.cache(min(slots, tune.answers), capacity)
    assert cache.kv_NSXCK.numel() * 4 == cache_bytes(shape, LORA, tune)
    joined = [one for layer in made.layers for one in (layer.reads, layer.output, layer.expand, layer.contract)]
    packed = [one.packed for one in [*joined, made.head]]
    if any(one is None for one in packed):
        pytest.skip("this processor has no layout of its own for float32 weights")
    assert sum(one.numel() * 4 for one in packed if one is not None) == copied_bytes(shape, LORA, tune)


def test_the_self_check_of_a_large_vocabulary_reads_few_rows() -> None:
    assert checked_tokens(SMOL, TUNE) == 300, "three rows of 100 have 16 million logits"
    assert checked_tokens(SMOL, replace(TUNE, row=1000)) == 2000, "two rows in any case"
    assert checked_tokens(SMOL, replace(TUNE, row=10, rows=50)) == 80, "and never more than eight"
    assert checked_tokens(SMOL, replace(TUNE, repeated=1.5)) == 450, "the prompt of a pair is read with each answer"
    assert checked_logits(SMOL, LORA, replace(TUNE, supervised=1.0)) == 3 * 4 * 300 * SMOL.vocabulary


def test_a_whole_tune_needs_at_least_what_its_steps_need() -> None:
    """And a base that is widened is read from its file beside everything else."""
    steps, whole = predict(SMOL, LORA), peak(SMOL, LORA, TUNE)
    assert whole.total >= steps.total + 2 * SMOL.parameters and peak(SMOL, LORA) == steps
    assert peak(SMOL, LORA, replace(TUNE, stored=4)).total == whole.total - 2 * SMOL.parameters


def test_after_full_training_two_models_are_in_memory() -> None:
    full = replace(LORA, rank=None)
    assert peak(SMOL, full, TUNE).weights == 2 * 4 * SMOL.parameters
    on_gpu = replace(full, device="cuda")
    assert around.reading(SMOL, on_gpu, TUNE).weights == 2 * around.reading(SMOL, LORA, TUNE).weights


@pytest.mark.parametrize("dtype", [2, 4])
def test_causes_add_up(dtype: int) -> None:
    facts = peak(SMOL, replace(LORA, bytes_a_number=dtype), TUNE).facts()
    assert facts.pop("total") == sum(facts.values())


def test_the_self_check_keeps_what_is_counted() -> None:
    """Of transformers' own layers under autograd, read from what autograd saves: within a fifth."""
    config = config_of("Llama", hidden_size=96, intermediate_size=256, num_hidden_layers=2)
    model = AutoModelForCausalLM.from_config(config)
    shape, tokens = read_shape(config.to_dict()), 64
    saved: dict[int, int] = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.base_model(input_ids=torch.zeros(1, tokens, dtype=torch.long)).last_hidden_state.sum()
    counted = shape.layers * tokens * 4 * around.plain_insides(shape, replace(LORA, rank=None))
    assert counted == pytest.approx(sum(saved.values()), rel=0.2)
