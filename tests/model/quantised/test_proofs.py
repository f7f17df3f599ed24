"""What is wrong in one layer or at one token of a 4-bit base is noticed: rounding in 16 bits is larger than it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.quantised_bases import adapted, quantised, saved
from tests.model.test_architecture_proof import sees
from tests.tiny_models import grove
from whet.errors import ModelError
from whet.model import architecture_proof as proof
from whet.model import float32_copy
from whet.model.architecture_proof import prove_head
from whet.model.attention import forest as attention
from whet.model.float32_copy import in_float32
from whet.model.quantised.nf4 import dequantised, quantised_linears
from whet.training.layerwise import LAYER_LIMIT
from whet.training.self_check import self_check

pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed (the extra quant)")

GRANITE = {"attention_multiplier": 0.2}


@pytest.mark.parametrize("name", ["Llama", "Gemma3", "Granite", "Mixtral"])
def test_right_paths_over_4_bits_pass_far_below_the_limit(name: str, tmp_path: Path) -> None:
    policy = adapted(saved(tmp_path, name), torch.bfloat16)
    before = {key: tensor.clone() for key, tensor in policy.model.state_dict().items()}
    check = self_check(policy, grove(), "auto")
    assert check.passed and check.path in ("fused", "forest"), check.reason
    assert check.layer_difference is not None and check.layer_difference < LAYER_LIMIT / 10
    assert all(tensor.equal(before[key]) for key, tensor in policy.model.state_dict().items())


def test_a_constant_that_is_wrong_in_one_layer_of_a_4_bit_base_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, calls = adapted(saved(tmp_path, "Granite", **GRANITE), torch.bfloat16), []

    def attend(query: Any, key: Any, value: Any, mask: Any, scale: Any, softcap: Any, dropout: Any) -> Any:
        calls.append(1)
        factor = 1.01 if len(calls) % 2 == 0 else 1.0  # of two layers
        return right(query, key, value, mask, scale * factor, softcap, dropout)

    right = attention.attend
    monkeypatch.setattr("whet.model.attention.forest.attend", attend)
    monkeypatch.setattr("whet.training.self_check.fuse", lambda model: "left out here")
    check = self_check(policy, grove(), "auto")
    assert not check.passed and check.path == "plain", check.reason
    assert "layer" in check.reason and calls


def test_4_bit_layers_compute_in_float32_for_a_while_with_the_same_weights(tmp_path: Path) -> None:
    model = quantised(saved(tmp_path), torch.bfloat16).model
    layer = next(iter(quantised_linears(model).values()))
    weight, x = dequantised(layer), torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    with in_float32(model):
        wide = dequantised(layer)
        assert wide.dtype == torch.float32 and wide.bfloat16().equal(weight)
        assert torch.allclose(layer(x), x @ wide.T, rtol=1e-5, atol=1e-6)
    assert layer.compute_dtype == dequantised(layer).dtype == torch.bfloat16
    assert dequantised(layer).equal(weight)


@pytest.mark.parametrize("room", [True, False], ids=["in float32", "no room for it"])
@pytest.mark.parametrize("places", [(1,), (2,), (-1, 1)], ids=["the next", "the one after it", "either side"])
def test_one_place_of_look_ahead_of_a_4_bit_mixture_is_refused(
    room: bool, places: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moves the last tokens of a row alone; most of a row's tokens say nothing of it."""
    model = quantised(saved(tmp_path, "Mixtral"), torch.bfloat16).model
    if not room:
        monkeypatch.setattr(float32_copy, "free_memory", lambda device: 0)
    prove_head(sees(model, -1), "backwards is allowed")
    with pytest.raises(ModelError, match="does not write from left to right"):
        prove_head(sees(model, *places), "ahead")


@pytest.mark.parametrize("often", [1, 2])
def test_other_experts_for_a_token_of_few_trials_are_no_look_ahead(
    often: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no room for float32: rounding moves other tokens in each trial, look-ahead the same."""
    model, seen = quantised(saved(tmp_path, "Mixtral"), torch.bfloat16).model, []

    def rounded(model: Any, ids_1T: torch.Tensor) -> torch.Tensor:
        found = right(model, ids_1T)
        if len(seen) < often:
            found[-1] *= 2
        seen.append(1)
        return found

    right = proof._beside_a_longer_row
    monkeypatch.setattr(proof, "_beside_a_longer_row", rounded)
    monkeypatch.setattr(float32_copy, "free_memory", lambda device: 0)
    prove_head(model, "a mixture")
    assert len(seen) == 1 + proof.TRIALS  # the first was far off, and the others were asked
