"""4-bit weights are those of the QLoRA paper, and an evaluation in between changes nothing of the training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from tests.model.quantised_bases import adapted, quantised, saved
from tests.tiny_models import grove, loss_and_gradients, roots
from whet.errors import ModelError
from whet.model.adapter import add_adapter, without_adapter
from whet.model.architecture_proof import forest_refusal
from whet.model.policy import Policy, reference_logprobs
from whet.model.quantised.nf4 import dequantised, quantised_linears
from whet.recipe.schema import Full, Lora

bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed (the extra quant)")

NF4 = np.array(
    [
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
        -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
        0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ]
)  # fmt: skip
"""Dettmers et al. 2023 (arXiv 2305.14314), appendix E."""
BLOCK, SCALES_BLOCK = 64, 256
FLOAT32, SEARCH = 1e-6, 5e-5
"""By how much more than the nearest code a chosen one may be away: weights are compared in float32, scales by a table
of the library's."""


def chosen_is_nearest(values: np.ndarray, chosen: np.ndarray, code: np.ndarray, slack: float) -> bool:
    distances = np.abs(values[:, None] - code)
    return bool((distances[np.arange(len(values)), chosen] <= distances.min(1) + slack).all())


def dynamic_code() -> np.ndarray:
    """The signed 8-bit dynamic type of Dettmers et al. 2022 (arXiv 2110.02861, section 2.2), in which scales lie."""
    values = [0.0, 1.0]
    for exponent in range(7):
        edges = np.linspace(0.1, 1, 2**exponent + 1)
        means = (edges[:-1] + edges[1:]) / 2 * 10.0 ** (exponent - 6)
        values += [*means, *-means]
    return np.sort(np.array(values))


def test_the_sixteen_values_are_quantiles_of_a_normal_distribution() -> None:
    """Appendix E's table from section 3's rule: equal areas on either side of an exact zero."""
    positive = norm.ppf(np.linspace(0.9677083, 0.5, 9)[:-1])
    negative = -norm.ppf(np.linspace(0.9677083, 0.5, 8)[:-1])
    values = np.sort(np.concatenate([positive, negative, [0.0]]))
    assert np.allclose(values / values.max(), NF4, atol=1e-6)


@pytest.mark.parametrize("shape", [(64, 64), (192, 576), (3, 128), (300, 192)])
def test_quantising_is_the_papers(shape: tuple[int, int]) -> None:
    """Codes, scales, scales of scales and the weight that comes back, against numpy in float64."""
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    packed, state = bitsandbytes.functional.quantize_4bit(weight, compress_statistics=True, quant_type="nf4")
    blocks = weight.double().numpy().reshape(-1, BLOCK)
    scales = np.abs(blocks).max(1)
    scaled = (blocks / scales[:, None]).reshape(-1)
    codes = np.stack([packed.numpy().reshape(-1) >> 4, packed.numpy().reshape(-1) & 15], 1).reshape(-1)
    assert chosen_is_nearest(scaled, codes, NF4, FLOAT32)

    offset = scales.mean()
    centred = np.pad(scales - offset, (0, -len(scales) % SCALES_BLOCK)).reshape(-1, SCALES_BLOCK)
    outer = np.abs(centred).max(1)
    inner = (centred / outer[:, None]).reshape(-1)[: len(scales)]
    stored = state.absmax.numpy()
    assert chosen_is_nearest(inner, stored, dynamic_code(), SEARCH)

    scales_back = dynamic_code()[stored] * np.repeat(outer, SCALES_BLOCK)[: len(scales)] + offset
    expected = (NF4[codes].reshape(-1, BLOCK) * scales_back[:, None]).reshape(shape)
    back = bitsandbytes.functional.dequantize_4bit(packed, state).numpy()
    assert np.allclose(back, expected, rtol=1e-5, atol=1e-6)


def test_a_plain_layer_gives_its_own_weight() -> None:
    layer = torch.nn.Linear(4, 3)
    assert dequantised(layer) is layer.weight


def test_a_quantised_layer_gives_a_weight_in_the_dtype_of_the_computation(tmp_path: Path) -> None:
    model = quantised(saved(tmp_path), torch.bfloat16).model
    plain = saved_weight(tmp_path, "model.layers.0.mlp.down_proj.weight")
    weight = dequantised(model.model.layers[0].mlp.down_proj)
    assert weight.shape == (64, 128) and weight.dtype == torch.bfloat16 and not weight.requires_grad
    assert 0.05 < (weight - plain).norm() / plain.norm() < 0.12  # NF4 keeps about 9% error of normal weights


def saved_weight(folder: Path, name: str) -> torch.Tensor:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")[name]


def test_what_is_not_quantised_keeps_its_dtype(tmp_path: Path) -> None:
    for tied in (True, False):
        model = quantised(saved(tmp_path / str(tied), tie_word_embeddings=tied), torch.bfloat16).model
        assert model.lm_head.weight.dtype == model.model.embed_tokens.weight.dtype == torch.bfloat16
        assert (model.lm_head.weight is model.model.embed_tokens.weight) == tied
        assert len(quantised_linears(model)) == 2 * 7


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_train_evaluate_train_gives_the_gradients_of_train_train(
    dtype: torch.dtype, dropout: float, tmp_path: Path
) -> None:
    """bitsandbytes 0.50 repacks weights when it evaluates on avx512_bf16, and what is packed passes no gradient."""
    policy = adapted(saved(tmp_path), dtype, dropout)
    assert not any(layer.support_avx512bf16_for_cpu for layer in quantised_linears(policy.model).values())
    before = gradients(policy)
    evaluate(policy)
    after = gradients(policy)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.skipif(not bitsandbytes.functional.has_avx512bf16(), reason="this processor has no avx512_bf16")
def test_the_test_above_sees_the_repacking_where_it_is_left_on(tmp_path: Path) -> None:
    policy = adapted(saved(tmp_path), torch.bfloat16, 0.1)
    before = gradients(policy)
    for layer in quantised_linears(policy.model).values():
        layer.support_avx512bf16_for_cpu = True
    evaluate(policy)
    after = gradients(policy)
    assert not all(torch.allclose(before[name], after[name], rtol=0.1) for name in before)


def gradients(policy: Policy) -> dict[str, torch.Tensor]:
    policy.model.train()
    torch.manual_seed(0)
    return loss_and_gradients(policy.logprobs(grove()), grove(), policy.model)[1]


def evaluate(policy: Policy) -> None:
    policy.model.eval()
    with torch.no_grad():
        policy.logprobs(grove())
        with without_adapter(policy.model):
            policy.logprobs(roots(1, 5))


@pytest.mark.parametrize("name", ["Llama", "Qwen3", "Gemma3", "GPT2"])
def test_the_forest_reads_a_quantised_base_as_its_own_forward_does(name: str, tmp_path: Path) -> None:
    policy = adapted(saved(tmp_path, name), torch.float32)
    assert forest_refusal(policy.model.get_base_model()) is None
    policy.model.eval()
    ours, own = policy.logprobs(grove()), reference_logprobs(policy.model.get_base_model(), grove())
    assert torch.allclose(ours, own, atol=1e-4)


def test_adapters_over_a_quantised_base_take_the_dtype_of_its_computation(tmp_path: Path) -> None:
    policy = adapted(saved(tmp_path), torch.bfloat16)
    assert {parameter.dtype for parameter in policy.trainable().values()} == {torch.bfloat16}
    assert all("lora_" in name for name in policy.trainable())


def test_a_quantised_base_is_not_trained_in_full(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be trained"):
        add_adapter(quantised(saved(tmp_path)).model, Full(), seed=0)


def test_without_bitsandbytes_one_message_says_what_to_install(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match=r'pip install "whet\[quant\]"'):
        quantised(saved(tmp_path))


def test_a_table_is_trained_whole_over_a_4_bit_base_and_a_4_bit_layer_is_not(tmp_path: Path) -> None:
    def with_saved(*names: str) -> Any:
        return add_adapter(
            quantised(saved(tmp_path / "base")).model, Lora(rank=4, alpha=8.0, modules_to_save=list(names)), seed=0
        )

    with pytest.raises(ModelError, match="a module in 4 bits cannot be trained whole"):
        with_saved("v_proj")
    policy = Policy(with_saved("embed_tokens"))
    loss, gradients = loss_and_gradients(policy.logprobs(grove()), grove(), policy.model)
    assert any("embed_tokens" in name and gradient.abs().sum() > 0 for name, gradient in gradients.items()), loss
