"""PEFT's options of an adapter: read by Whet as PEFT reads them, saved so that plain PEFT gives the same, merged the
same, and refused in one sentence where a base or a method cannot take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import ModulesToSaveWrapper

from tests.tiny_models import grove, tiny
from whet.errors import ModelError, RecipeError
from whet.model.adapter import add_adapter, causal_lm, load_adapter, merge_adapter, without_adapter
from whet.model.adapter_options import adapter_notes
from whet.model.architecture_proof import fuse, install_forest
from whet.model.base_check import refuse_unfit_base
from whet.model.interpolate import interpolated
from whet.model.lora import is_lora
from whet.model.policy import Policy, reference_logprobs
from whet.recipe.load import load_recipe
from whet.recipe.schema import Full, Lora

OPTIONS: dict[str, dict[str, Any]] = {
    "rslora": {"rslora": True},
    "dora": {"dora": True},
    "patterns": {"rank_pattern": {"v_proj": 7, r"layers\.0\.self_attn\.q_proj": 2}, "alpha_pattern": {"v_proj": 3.0}},
    "embedding": {"modules_to_save": ["embed_tokens"]},
    "both tables": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "norms": {"modules_to_save": ["norm", "embed_tokens"]},
    "targets": {"targets": ["q_proj", "down_proj"]},
    "all": {"rslora": True, "dora": True, "rank_pattern": {"o_proj": 2}, "modules_to_save": ["embed_tokens"]},
}
CASES = [(name, tied) for name in OPTIONS for tied in (True, False) if not (tied and name == "both tables")]


def base_of(tied: bool) -> Any:
    return tiny("Llama", tie_word_embeddings=tied)


def trained(name: str, tied: bool, rank: int = 4) -> Any:
    """An adapter with every trained number away from where it began, read by the fastest path."""
    model = add_adapter(base_of(tied), Lora(rank=rank, alpha=8.0, **OPTIONS[name]), seed=0)
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in Policy(model).trainable().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
    install_forest(causal_lm(model))
    why = fuse(model)
    assert (why is None) == ("dora" not in OPTIONS[name])
    assert why is None or "dora is computed by PEFT" in why
    return model.eval()


def read(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return Policy(model).logprobs(grove())


@pytest.mark.parametrize(("name", "tied"), CASES)
def test_saved_and_merged_it_is_what_peft_computes(name: str, tied: bool, tmp_path: Path) -> None:
    model = trained(name, tied)
    ours = read(model)
    model.save_pretrained(tmp_path)
    peft = PeftModel.from_pretrained(base_of(tied), str(tmp_path)).eval()
    with torch.no_grad():
        theirs = reference_logprobs(peft, grove())
        base = reference_logprobs(base_of(tied), grove())
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-4)
    assert (ours - base).abs().max() > 0.1
    with without_adapter(model):
        torch.testing.assert_close(read(model), base, atol=2e-4, rtol=1e-4)
    loaded = load_adapter(base_of(tied), tmp_path)
    install_forest(causal_lm(loaded))
    torch.testing.assert_close(read(loaded), ours, atol=2e-4, rtol=1e-4)
    merged = merge_adapter(model)
    assert not any("lora" in key or "modules_to_save" in key for key in merged.state_dict())
    assert (merged.get_output_embeddings().weight is merged.get_input_embeddings().weight) == tied
    with torch.no_grad():
        torch.testing.assert_close(reference_logprobs(merged, grove()), theirs, atol=3e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "tied"), CASES)
def test_gradients_are_those_of_the_plain_path(name: str, tied: bool) -> None:
    model = trained(name, tied)
    batch = grove()
    found = []
    for logprobs in (lambda: Policy(model).logprobs(batch), lambda: reference_logprobs(model, batch)):
        model.zero_grad()
        (logprobs() * torch.linspace(0.5, 1.5, len(batch.weight_N))).sum().backward()
        found.append({key: p.grad.clone() for key, p in Policy(model).trainable().items() if p.grad is not None})
    assert found[0].keys() == found[1].keys() == Policy(model).trainable().keys()
    for key, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][key], atol=2e-3, rtol=2e-3, msg=key)


def test_the_scale_is_that_of_the_papers() -> None:
    def scales(**options: Any) -> set[float]:
        adapted = add_adapter(base_of(True), Lora(rank=4, alpha=8.0, **options), seed=0)
        return {round(module.scaling["default"], 6) for module in adapted.modules() if is_lora(module)}

    assert scales() == {2.0} and scales(rslora=True) == {4.0}  # 8 / sqrt(4)
    assert scales(rank_pattern={"v_proj": 16}, alpha_pattern={"q_proj": 2.0}) == {2.0, 0.5}
    theirs = get_peft_model(base_of(True), LoraConfig(r=4, lora_alpha=8, use_rslora=True, rank_pattern={"v_proj": 9}))
    ours = add_adapter(base_of(True), Lora(rank=4, alpha=8.0, rslora=True, rank_pattern={"v_proj": 9}), seed=0)
    for name, module in theirs.named_modules():
        if is_lora(module):
            assert module.scaling == ours.get_submodule(name).scaling


def test_in_bfloat16_all_that_is_trained_is_in_the_dtype_of_the_base() -> None:
    model = base_of(True)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    adapted = add_adapter(model, Lora(rank=4, alpha=8.0, **OPTIONS["all"]), seed=0)
    assert {parameter.dtype for parameter in adapted.parameters()} == {torch.bfloat16}
    assert any("magnitude" in name for name in Policy(adapted).trainable())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank_pattern": {"v_prj": 8}}, "no adapted module has a name that ends so; did you mean 'v_proj'?"),
        ({"alpha_pattern": {"lm_head": 8.0}}, "no adapted module has a name that ends so"),
        ({"rank_pattern": {"(": 8}}, "nor a regular expression"),
        ({"modules_to_save": ["embed_token"]}, "no such module to train whole; did you mean 'embed_tokens'?"),
        ({"modules_to_save": ["lm_head"]}, "name embed_tokens, which trains both"),
        ({"modules_to_save": ["q_proj"], "targets": ["q_proj"]}, "either trained whole or gets an adapter"),
        ({"modules_to_save": ["model"]}, "either trained whole or gets an adapter"),
        ({"targets": ["q_proj", "v_prj"]}, "no layer whose name ends so; did you mean 'v_proj'?"),
        ({"targets": ["q_proj", "layers.9.mlp.up_proj"]}, "no layer whose name ends so"),
        ({"targets": []}, "no module of the base matches"),
        ({"targets": ["q_proj", "embed_tokens"]}, "is its output layer, too, and cannot carry an adapter"),
    ],
)
def test_what_the_base_cannot_take_is_said_before_any_training(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError) as caught:
        add_adapter(base_of(True), Lora(rank=4, alpha=8.0, **options), seed=0)
    assert words in str(caught.value)


def test_what_is_trained_whole_is_what_was_named_and_no_more() -> None:
    """PEFT matches the last letters of a name: `norm` would train every input_layernorm, too."""
    for named, meant in ((["norm"], {"model.norm"}), (["layers.1.mlp"], {"model.layers.1.mlp"})):
        adapted = add_adapter(base_of(True), Lora(rank=4, alpha=8.0, modules_to_save=named), seed=0)
        inner = adapted.get_base_model()
        assert {name for name, module in inner.named_modules() if isinstance(module, ModulesToSaveWrapper)} == meant


def test_a_name_that_peft_would_read_wider_is_refused() -> None:
    model = base_of(True)
    model.other_model = torch.nn.Module()
    model.other_model.norm = torch.nn.LayerNorm(4)
    with pytest.raises(ModelError, match="PEFT would train other_model.norm whole, too"):
        add_adapter(model, Lora(rank=4, alpha=8.0, modules_to_save=["model.norm"]), seed=0)


@pytest.mark.parametrize(
    ("base", "adapter"),
    [
        ("Llama", {"modules_to_save": ["mlp"], "targets": ["q_proj", "down_proj"]}),
        ("Llama", {"modules_to_save": ["self_attn.q_proj"], "targets": ["q_proj"]}),
        ("Mixtral", {"modules_to_save": ["mlp"]}),
        ("Mixtral", {"modules_to_save": ["experts"]}),
    ],
)
def test_what_is_trained_whole_gets_no_adapter_inside(base: str, adapter: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="either trained whole or gets an adapter"):
        add_adapter(tiny(base), Lora(rank=4, alpha=8.0, **adapter), seed=0)


def test_the_reason_why_layers_are_not_fused_is_the_true_one() -> None:
    why = fuse(add_adapter(base_of(True), Lora(rank=4, alpha=8.0, modules_to_save=["mlp"]), seed=0))
    assert why and "trained whole" in why
    assert fuse(add_adapter(base_of(True), Lora(rank=4, alpha=8.0, modules_to_save=["norm"]), seed=0)) is None


def test_check_tries_the_options_on_the_base() -> None:
    usual = {"data": "a.jsonl", "adapter": {"rank_pattern": {"v_prj": 8}}}
    with pytest.raises(ModelError, match="did you mean 'v_proj'"):
        refuse_unfit_base(load_recipe(usual))
    refuse_unfit_base(load_recipe(usual | {"adapter": {"rank_pattern": {"v_proj": 8}, "dora": True}}))


def test_an_adapter_on_a_tied_embedding_is_not_merged() -> None:
    """One that PEFT made can be opened; merged, the output layer would carry it, too."""
    targets = ["q_proj", "embed_tokens"]
    with pytest.raises(ModelError, match="cannot carry an adapter"):
        merge_adapter(get_peft_model(base_of(True), LoraConfig(r=4, target_modules=targets)))
    model = add_adapter(base_of(False), Lora(rank=4, alpha=8.0, targets=targets), seed=0)
    with torch.no_grad():
        for parameter in Policy(model).trainable().values():
            parameter.add_(0.1)
        ours = reference_logprobs(model, grove())
        merged = reference_logprobs(merge_adapter(model), grove())
    torch.testing.assert_close(merged, ours, atol=3e-4, rtol=1e-4)


def test_experts_get_no_dora() -> None:
    with pytest.raises(ModelError, match="PEFT has no DoRA for experts"):
        add_adapter(tiny("Mixtral"), Lora(rank=4, alpha=8.0, dora=True), seed=0)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"adapter": {"dora": True}, "quantise": "nf4"}, "a base in 4 bits does not hold"),
        ({"adapter": {"dora": True}, "keep": {"scale": 0.5}}, "no part of the way can be taken"),
        ({"adapter": {"modules_to_save": ["lm_head"]}, "keep": {"scale": "auto"}}, "no part of the way can be taken"),
        ({"adapter": {"modules_to_save": ["lm_head"]}, "method": "classify"}, "classify writes no words"),
        ({"adapter": {"kind": "full", "dora": True}}, "unknown key 'adapter.dora'"),
        ({"adapter": {"rank_pattern": {"q_proj": 0}}}, "adapter.rank_pattern"),
    ],
)
def test_what_the_recipe_cannot_take_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe({"data": "a.jsonl", **keys})
    assert words in str(caught.value)


def test_a_model_that_is_no_plain_difference_is_not_brought_nearer() -> None:
    for name in ("dora", "embedding"):
        with pytest.raises(ModelError, match="no plain difference"), interpolated(trained(name, True), None, 0.5):
            pass
    model = trained("patterns", True)
    with interpolated(model, None, 0.0), torch.no_grad():
        torch.testing.assert_close(read(model), reference_logprobs(base_of(True), grove()), atol=2e-4, rtol=1e-4)


def test_the_run_says_what_the_options_mean_for_it() -> None:
    dora, saved = adapter_notes(base_of(True), Lora(dora=True, modules_to_save=["lm_head"]))
    assert "PEFT computes the layers" in dora and "at the adapter's rate: lm_head" in saved
    assert adapter_notes(base_of(True), Lora(rslora=True)) == adapter_notes(base_of(True), Full()) == []
    assert "experts" in adapter_notes(tiny("Mixtral"), Lora(rank=4, alpha=8.0))[0]
