"""Exported weights against PEFT's own merge, whatever the adapter is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.release.made_runs import made_run
from whet.model import adapter as adapters
from whet.model.base import NANO
from whet.observer import Silent
from whet.recipe.schema import Lora
from whet.recipe.vllm_limits import rank_flag, refusal_of_adapter, refused_by_vllm
from whet.release.adapter_weights import adapter_weights, scale_of
from whet.release.forms.adapter import FORM as ADAPTER
from whet.release.forms.merged import FORM as MERGED
from whet.release.forms.vllm import FORM as VLLM
from whet.release.opening import tuned_of
from whet.release.tensor_files import Shaped, shapes_in, writing
from whet.release.tuned import Tuned

ADAPTERS: dict[str, dict[str, Any]] = {
    "plain": {"rank": 4},
    "rslora": {"rank": 4, "rslora": True, "alpha_pattern": {"v_proj": 3.0}},
    "ranks": {"rank": 4, "rank_pattern": {"q_proj": 8}, "alpha_pattern": {"layers.0.self_attn.q_proj": 5.0}},
    "dora": {"rank": 4, "dora": True},
    "whole": {"rank": 4, "modules_to_save": ["embed_tokens"]},
    "embedding": {"rank": 4, "targets": ["q_proj", "embed_tokens"]},
}


@pytest.fixture(scope="module", params=sorted(ADAPTERS))
def adapted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Tuned]]:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        # what we do not train, others may have trained, and it is imported
        patch.setattr(adapters, "_refuse_adapted_tie", lambda _: None)
        yield request.param, tuned_of(made_run(folder, adapter={"kind": "lora", **ADAPTERS[request.param]}))


def by_peft(folder: Path) -> Any:
    base = AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32)
    return PeftModel.from_pretrained(base, str(folder)).eval()


PROBE = torch.tensor([[3, 100, 200, 300, 4, 17]])


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    return model(input_ids=PROBE).logits


def test_a_merge_is_pefts_own(adapted: tuple[str, Tuned], tmp_path: Path) -> None:
    _, model = adapted
    files = MERGED.export(model, "float32", tmp_path, Silent())
    assert files.facts["in_memory"] is None, "it was streamed"
    merged = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    beside = by_peft(model.folder)
    assert not torch.allclose(logits(AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32)), logits(merged))
    assert torch.allclose(logits(merged), logits(beside), atol=2e-4)
    oracle = beside.merge_and_unload().state_dict()
    for name, tensor in merged.state_dict().items():
        if name != "lm_head.weight":  # PEFT leaves an output layer tied to an embedding that is none any more
            assert torch.allclose(tensor, oracle[name], atol=1e-5), name


def test_an_adapter_means_the_same_with_its_scales_folded(adapted: tuple[str, Tuned], tmp_path: Path) -> None:
    name, model = adapted
    files = ADAPTER.export(model, None, tmp_path, Silent())
    config = json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))
    assert not config["use_rslora"] and not config["alpha_pattern"]
    assert (
        bool(files.facts["folded_modules"])
        == bool(files.notes and "folded" in files.notes[0])
        == (name in ("rslora", "ranks"))
    )
    assert torch.allclose(logits(by_peft(tmp_path)), logits(by_peft(model.folder)), atol=1e-4)


def test_scales_are_those_that_peft_uses(adapted: tuple[str, Tuned]) -> None:
    _, model = adapted
    weights, beside = adapter_weights(model), by_peft(model.folder)
    modules = dict(beside.get_base_model().named_modules())
    assert weights.modules
    for name, module in weights.modules.items():
        assert module.scale == pytest.approx(modules[name].scaling["default"]), name


def test_an_embedding_that_was_trained_alone_is_untied(adapted: tuple[str, Tuned], tmp_path: Path) -> None:
    name, model = adapted
    files = MERGED.export(model, "float32", tmp_path, Silent())
    untied = json.loads((tmp_path / "config.json").read_text("utf-8"))["tie_word_embeddings"] is False
    assert untied == files.facts["untied"] == ("lm_head.weight" in load_file(tmp_path / "model.safetensors"))
    assert untied == (name == "embedding")


def test_where_to_stop_is_written_for_every_form(adapted: tuple[str, Tuned], tmp_path: Path) -> None:
    _, model = adapted
    for form in (ADAPTER, MERGED):
        out = tmp_path / form.name
        out.mkdir()
        form.export(model, None if form is ADAPTER else "bfloat16", out, Silent())
        ends = json.loads((out / "generation_config.json").read_text("utf-8"))["eos_token_id"]
        assert ends == model.stop_ids[0]
        assert (out / "chat_template.jinja").read_bytes() == (model.folder / "chat_template.jinja").read_bytes()


def test_vllm_takes_the_adapter_only_where_it_reads_it(adapted: tuple[str, Tuned], tmp_path: Path) -> None:
    name, model = adapted
    files = VLLM.export(model, "auto", tmp_path, Silent())
    readable = name in ("plain", "rslora")
    assert files.facts["as"] == ("adapter" if readable else "merged")
    assert ("--enable-lora --max-lora-rank 8" in files.commands["vllm"]) == readable
    assert (VLLM.refusal(model, "adapter") is None) == readable
    assert (refusal_of_adapter(Lora(**ADAPTERS[name])) is None) == readable, "as it was told before the training"


def test_a_model_of_all_weights_leaves_merged(tmp_path: Path) -> None:
    model = tuned_of(made_run(tmp_path, adapter={"kind": "full"}))
    assert "use the form merged" in str(ADAPTER.refusal(model, None)) and MERGED.refusal(model, "float32") is None
    (tmp_path / "out").mkdir()
    MERGED.export(model, "float32", tmp_path / "out", Silent())
    stored = load_file(model.folder / "model.safetensors")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert stored.keys() == written.keys() and all(torch.equal(stored[name], written[name]) for name in stored)


def test_shards_stay_shards(adapted: tuple[str, Tuned], tmp_path: Path) -> None:
    """A base of several files is written as several, with an index."""
    _, model = adapted
    base = tmp_path / "base"
    AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32).save_pretrained(base, max_shard_size="3MB")
    assert len(list(base.glob("*.safetensors"))) > 2
    (tmp_path / "out").mkdir()
    split = Tuned(model.name, model.folder, model.facts, str(base))
    MERGED.export(split, "float32", tmp_path / "out", Silent())
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == len(list(base.glob("*.safetensors")))
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    assert torch.allclose(logits(merged), logits(by_peft(model.folder)), atol=2e-4)


def test_a_4_bit_base_is_unpacked_before_it_is_merged(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    run = made_run(tmp_path, adapter={"kind": "lora", "rank": 4}, quantise="nf4")
    model = tuned_of(run)
    (tmp_path / "out").mkdir()
    files = MERGED.export(model, "float32", tmp_path / "out", Silent())
    assert 0.05 < files.facts["base_rounding"] < 0.2 and "4 bits" in files.notes[0]
    from whet.model.adapter import load_adapter
    from whet.model.base import load_base

    trained = load_adapter(load_base("nano", torch.float32, quantise="nf4").model, run.model)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    assert torch.allclose(logits(merged), logits(trained), atol=2e-3)


def test_a_scale_follows_the_first_pattern_that_ends_so() -> None:

    assert scale_of("model.layers.0.q_proj", 4, {"lora_alpha": 8, "use_rslora": True}) == 4.0
    assert scale_of("model.layers.0.q_proj", 4, {"lora_alpha": 8, "alpha_pattern": {"q_proj": 2}}) == 0.5
    assert scale_of("model.layers.0.xq_proj", 4, {"lora_alpha": 8, "alpha_pattern": {"q_proj": 2}}) == 2.0


def test_a_streamed_file_is_what_safetensors_writes(tmp_path: Path) -> None:
    tensors = {"b": torch.randn(3, 5).to(torch.bfloat16), "a": torch.arange(4), "c": torch.tensor(2.5)}
    plan = {name: Shaped(one.dtype, tuple(one.shape)) for name, one in tensors.items()}
    with writing(tmp_path / "x.safetensors", plan) as writer:
        for name, tensor in tensors.items():
            writer.write(name, tensor)
    save_file(tensors, tmp_path / "y.safetensors")
    read = load_file(tmp_path / "x.safetensors")
    assert read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)
    assert shapes_in(tmp_path / "x.safetensors") == {**plan, **shapes_in(tmp_path / "y.safetensors")}


def test_a_tensor_that_is_left_out_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 tensors were not written, the first is a"):
        with writing(tmp_path / "x.safetensors", {"a": Shaped(torch.float32, (1,))}):
            pass


def test_limits_of_vllm() -> None:
    good: dict[str, Any] = {"dora": False, "modules_to_save": [], "rank_pattern": False, "targets": ["q_proj"]}
    assert refused_by_vllm([512], **good) is None
    assert "513" in str(refused_by_vllm([8, 513], **good))
    assert "lm_head" in str(refused_by_vllm([8], **good | {"targets": ["q_proj", "lm_head"]}))
    assert (rank_flag(1), rank_flag(16), rank_flag(65)) == (8, 16, 128)
