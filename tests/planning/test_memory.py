"""Memory by cause follows from the shape: each rule against a count by hand, or against the code it describes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.tiny_models import roots, tiny
from whet.model.adapter import add_adapter
from whet.model.attention import forest as attention
from whet.model.attention import kernels as attend
from whet.model.fused import attention as fused
from whet.model.logits import logprob
from whet.model.policy import Policy
from whet.planning import memory
from whet.planning.adapter_size import Options, adapter_numbers
from whet.planning.memory import Setting, moment_bytes, predict, weight_bytes
from whet.planning.model_shape import read_shape
from whet.planning.public_models import PUBLIC
from whet.recipe.schema import Lora
from whet.training.optimizers import master_weights as optim

SHAPE = PUBLIC["smollm2-135m"].shape
LORA = Setting(tokens=1024, longest=256, rank=16)
FULL = Setting(tokens=1024, longest=256)


def test_numbers_copied_from_rooms_below_are_still_theirs() -> None:
    assert memory.CHUNK_ELEMENTS == logprob.CHUNK_ELEMENTS
    assert (memory.KEPT, memory.QUERIES) == (fused.KEPT, fused.QUERIES)
    assert (memory.TOKEN_GRAIN, memory.LENGTH_GRAIN) == (attention.TOKEN_GRAIN, attention.LENGTH_GRAIN)
    assert [memory.rounded(tokens) for tokens in (1, 33, 1024, 1025)] == [32, 64, 1024, 1152]
    assert all(memory.rounded(tokens) == attention.rounded(tokens) for tokens in range(1, 3000))
    assert memory.PLAIN_SCORES == attend.PLAIN_SCORES
    assert memory.PART == optim.PART


def test_the_options_of_an_adapter_are_counted_where_they_lie() -> None:
    plain = predict(SHAPE, LORA)
    saved = predict(SHAPE, replace(LORA, options=Options(saved=("embed_tokens",))))
    assert saved.adapter - plain.adapter == 2 * SHAPE.table
    assert saved.optimizer - plain.optimizer == 12 * SHAPE.table  # an original and two moments
    assert saved.total - plain.total >= 16 * SHAPE.table
    dora = predict(SHAPE, replace(LORA, options=Options(dora=True)))
    outputs = SHAPE.layers * sum(linear.outputs for linear in SHAPE.linears)
    assert dora.adapter - plain.adapter == 2 * outputs and dora.activations > plain.activations


def test_causes_add_up() -> None:
    facts = predict(SHAPE, LORA).facts()
    assert facts.pop("total") == sum(facts.values())
    causes = {"weights", "adapter", "gradients", "optimizer", "activations", "logits", "process"}
    assert set(facts) == causes | {"generation", "runtime"}


def test_full_fine_tuning_in_bfloat16_costs_16_bytes_a_parameter() -> None:
    """2 for the weight, 12 for its original and moments, 2 for the gradient; a tied table's gradients come twice."""
    shape = PUBLIC["smollm2-1.7b"].shape
    small = predict(shape, replace(FULL, tokens=16, longest=16, device="cuda"))
    at_update = 16 * shape.parameters + 2 * shape.table
    assert small.total >= at_update and small.total == pytest.approx(at_update, rel=0.02)


def test_in_float32_there_is_no_second_copy() -> None:
    in_float = replace(FULL, bytes_a_number=4)
    assert moment_bytes(SHAPE, in_float) == predict(SHAPE, in_float).optimizer == 8 * SHAPE.parameters


def test_muon_keeps_one_moment_of_matrices() -> None:
    matrices = SHAPE.quantised
    saved = moment_bytes(SHAPE, FULL) - moment_bytes(SHAPE, replace(FULL, optimizer="muon"))
    assert saved == 4 * matrices


def test_nf4_takes_little_more_than_half_a_byte_of_each_linear_weight() -> None:
    """Dettmers et al. 2023, section 3: 4 bits and 0.127 for the scales."""
    size = weight_bytes(SHAPE, replace(LORA, quantised=True))
    rest = 2 * (SHAPE.parameters - SHAPE.quantised)
    assert (size - rest) * 8 / SHAPE.quantised == pytest.approx(4.127, abs=1e-3)


@pytest.mark.parametrize("family", ["smollm2-135m", "gpt2", "qwen3-0.6b", "phi-3-mini"])
def test_memory_grows_with_tokens_and_shrinks_with_recomputing(family: str) -> None:
    shape = PUBLIC[family].shape
    asked, longer, again = (
        predict(shape, setting).total for setting in (LORA, replace(LORA, tokens=2048), replace(LORA, recompute=True))
    )
    assert longer > asked > again


def test_an_adapter_needs_less_than_all_weights() -> None:
    assert predict(SHAPE, LORA).total < predict(SHAPE, FULL).total


def kept_by_autograd(targets: str | list[str]) -> int:
    """Bytes of experts' size that a tiny Mixtral with an adapter keeps between its two passes, beside its weights."""
    model = add_adapter(tiny("Mixtral"), Lora.model_validate({"rank": 4, "alpha": 8.0, "targets": targets}), seed=0)
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        of_experts = tensor.ndim == 3 and storage.nbytes() in (4 * 4 * 80 * 32, 4 * 4 * 40 * 32)
        if of_experts and storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        Policy(model, use_forest=False).logprobs(roots(9, 12))
    return sum(kept.values())


def test_adapters_of_experts_keep_their_weights_once_more() -> None:
    """PEFT adds B A to the tensor of all experts, and the product with the sum keeps it: counted, against autograd."""
    shape = read_shape(tiny("Mixtral").config.to_dict())
    setting = Setting(tokens=21, longest=12, rank=4, bytes_a_number=4, device="cuda")
    attention: Setting = replace(setting, targets=["q_proj", "k_proj", "v_proj", "o_proj"])
    experts = sum(linear.weights for linear in shape.linears if linear.of_experts)
    counted = memory.kept_bytes(shape, setting) - memory.kept_bytes(shape, attention)
    assert kept_by_autograd("all-linear") == shape.layers * experts * 4
    assert kept_by_autograd(["q_proj", "k_proj", "v_proj", "o_proj"]) == 0
    assert shape.layers * experts * 4 <= counted <= 1.05 * shape.layers * experts * 4
    again = replace(setting, recompute=True)
    assert memory.layer_bytes(shape, again) - memory.layer_bytes(shape, setting) >= 4 * experts


def test_over_a_4_bit_base_experts_get_no_adapter() -> None:
    shape = PUBLIC["mixtral-8x7b"].shape
    four_bits = replace(LORA, quantised=True)
    dense = ["q_proj", "k_proj", "v_proj", "o_proj"]
    assert memory.trained_numbers(shape, four_bits) == adapter_numbers(shape, 16, dense, Options())
    assert memory.trained_numbers(shape, LORA) > 5 * memory.trained_numbers(shape, four_bits)
