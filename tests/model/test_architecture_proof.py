"""Architectures that Whet would read wrongly are found by trying, and told with the reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from tests.tiny_models import grove, loss_and_gradients, tiny
from whet.errors import ModelError
from whet.generation.decoding_proof import prove_decoding
from whet.model import architecture_proof as fit
from whet.model.architecture_proof import forest_refusal, install_forest, prove_head
from whet.model.attention.forest import FOREST
from whet.model.base import load_base
from whet.model.policy import Policy, reference_logprobs

HYBRID = {"layer_types": ["conv", "full_attention"], "block_ff_dim": 40, "num_key_value_heads": 2}
REFUSED = {
    "state space": ("Mamba", {"state_size": 4}, "SDPA does not compute"),
    "short convolutions": ("Lfm2", HYBRID, "layers that are not attention"),
    "sinks": ("GptOss", {"num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 4}, "SDPA does not compute"),
    "alibi": ("Bloom", {}, "does not reach"),
    "positions of its own": ("Bart", {"d_model": 32, "decoder_layers": 1, "decoder_ffn_dim": 8}, "other hidden states"),
    "looks ahead": ("Bert", {"is_decoder": False}, "looks ahead"),
}


def other(name: str, shape: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    common = {"vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = getattr(transformers, f"{name}Config")(**common | {"intermediate_size": 40, "pad_token_id": 0} | shape)
    return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize(("name", "shape", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_architecture_that_the_forest_cannot_carry_keeps_its_own_attention(
    name: str, shape: dict[str, Any], reason: str
) -> None:
    model = other(name, shape)
    before = model.config._attn_implementation
    assert reason in (forest_refusal(model) or "")
    install_forest(model)
    assert model.config._attn_implementation == before
    assert model.training


@pytest.mark.parametrize("name", ["Mamba", "Lfm2", "GptOss"])
def test_the_plain_path_carries_what_the_forest_does_not(name: str) -> None:
    model = other(name, {row[0]: row[1] for row in REFUSED.values()}[name]).eval()
    batch = grove()
    loss, gradients = loss_and_gradients(reference_logprobs(model, batch), batch, model)
    plain_loss, plain_gradients = loss_and_gradients(Policy(model, use_forest=False).logprobs(batch), batch, model)
    assert plain_loss == pytest.approx(loss, rel=1e-5)
    for parameter, expected in gradients.items():
        torch.testing.assert_close(plain_gradients[parameter], expected, rtol=1e-3, atol=1e-5)


def test_a_layer_that_mixes_neighbours_is_found_without_any_data() -> None:
    """No config tells of it; a run whose first batch held one long row would not meet it either."""
    model = tiny("Llama")
    layer = model.model.layers[0]
    forward = layer.forward
    layer.forward = lambda hidden, *rest, **more: forward(hidden + 0.3 * hidden.roll(1, dims=1), *rest, **more)
    assert "other hidden states" in (forest_refusal(model) or "")


def test_a_refused_model_is_left_as_it_was() -> None:
    model = tiny("Llama")
    assert forest_refusal(model) is None
    assert model.config._attn_implementation == "sdpa"
    install_forest(model)
    install_forest(model)
    assert model.config._attn_implementation == FOREST


def test_unknown_arithmetic_before_the_logits_is_refused() -> None:
    model = tiny("Llama")
    prove_head(model, "tiny")
    model.lm_head.register_forward_hook(lambda module, given, out: out * 1.1)
    with pytest.raises(ModelError, match="does not know") as caught:
        prove_head(model, "tiny")
    assert "tiny" in str(caught.value) and caught.value.exit_code == 2


def sees(model: Any, *places: int) -> Any:
    """The model, each of whose hidden states is given those that stand `places` further on."""

    def given(module: Any, args: Any, out: Any) -> Any:
        hidden = out.last_hidden_state
        for place in places:
            further = torch.zeros_like(hidden)
            if place > 0:
                further[:, :-place] = hidden[:, place:]
            else:
                further[:, -place:] = hidden[:, :place]
            out.last_hidden_state = out.last_hidden_state + 0.3 * further
        return out

    model.model.register_forward_hook(given)
    return model


@pytest.mark.parametrize("places", [(1,), (-1, 1), (2,)], ids=["the next", "either side", "the one after it"])
@pytest.mark.parametrize("experts", [False, True])
def test_one_place_of_look_ahead_is_refused(places: tuple[int, ...], experts: bool) -> None:
    """It moves the last tokens of a row alone, so that the usual distance is 0."""
    model = tiny("Mixtral").to(torch.bfloat16) if experts else load_base("nano", torch.float32).model
    prove_head(sees(model, -1), "backwards is allowed")
    with pytest.raises(ModelError, match="does not write from left to right"):
        prove_head(sees(model, *places), "ahead")


def test_other_experts_for_single_tokens_are_no_look_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 16 bits a token far off is looked at once more in float32, where experts can explain it; and nowhere else."""

    def rounded(model: Any, ids_1T: torch.Tensor) -> torch.Tensor:
        found = right(model, ids_1T)
        if found.dtype == torch.bfloat16:
            found[3] *= 2
        return found

    right = fit._beside_a_longer_row
    monkeypatch.setattr(fit, "_beside_a_longer_row", rounded)
    mixture = tiny("Mixtral").to(torch.bfloat16)
    prove_head(mixture, "a mixture")
    assert next(mixture.parameters()).dtype == torch.bfloat16
    with pytest.raises(ModelError, match="100.00% apart"):
        prove_head(tiny("Llama").to(torch.bfloat16), "dense")


@pytest.mark.parametrize(("name", "wrong", "refused"), [
    ("Mixtral", 2.0, False), ("Mixtral", torch.nan, True), ("Mixtral", torch.inf, True), ("Llama", 2.0, True),
])  # fmt: skip
def test_a_forest_that_is_wrong_in_16_bits_is_waived_for_experts_alone(
    name: str, wrong: float, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Float32 that is right says nothing of what overflows in 16 bits, or of a dense model's kernels there."""

    def hidden(policy: Policy, batch: Any) -> torch.Tensor:
        found = right(policy, batch)
        return found * wrong if found.dtype == torch.bfloat16 else found

    right = Policy._forest_hidden
    monkeypatch.setattr(Policy, "_forest_hidden", hidden)
    assert bool(forest_refusal(tiny(name).to(torch.bfloat16))) == refused


def test_a_model_of_another_kind_is_refused() -> None:
    bert = other("Bert", {})
    with pytest.raises(ModelError):
        prove_head(bert, "bert")


def test_a_model_that_ignores_the_cache_may_not_write() -> None:
    mamba = other("Mamba", {"state_size": 4})
    torch.nn.init.normal_(mamba.backbone.embeddings.weight)
    with pytest.raises(ModelError, match="cache"):
        prove_decoding(mamba.eval())


def test_positions_ignored_by_the_model_are_noticed() -> None:
    """Left padding shifts whoever does not read position ids."""
    model = tiny("GPT2").eval()
    prove_decoding(model)
    model = tiny("GPT2").eval()
    forward = model.forward
    model.forward = lambda *rest, **more: forward(*rest, **{k: v for k, v in more.items() if k != "position_ids"})
    with pytest.raises(ModelError, match="logits differ"):
        prove_decoding(model)
