"""Exports as GGUF, as an adapter over one, and for Ollama: proved by llama.cpp, and named where they are changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import whet
from bench.releases.gguf_edit import rewrite
from tests.release.made_runs import keep_few, made_run
from whet.errors import InputError, ProofError
from whet.model.gguf.header import read_header
from whet.release.forms.gguf import FORM as GGUF
from whet.release.forms.ollama import template_in
from whet.release.opening import tuned_of
from whet.store.run import Run

pytest.importorskip("xllamacpp")
UNLIKE = {"kind": "lora", "rank": 4, "rslora": True, "alpha_pattern": {"v_proj": 9}}


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An adapter whose modules have other scales than alpha / rank."""
    run = made_run(tmp_path_factory.mktemp("unlike"), adapter=UNLIKE)
    keep_few(run)
    return run


def test_a_file_is_what_was_trained(sound: Run, tmp_path: Path) -> None:
    told = whet.export(sound, "gguf", out=tmp_path / "out")
    (proof,) = told["proofs"]
    assert told["type"] == "f16" and proof["consumer"] == "llama_cpp" and proof["measured"]["ids_compared"] > 0
    assert proof["measured"]["fraction"] == pytest.approx(1, abs=0.02)
    assert {one.name for one in (tmp_path / "out").iterdir()} >= {"model.gguf", "proof.json", "release.json"}
    assert not (tmp_path / "out" / ".merged").exists()
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    assert whet.prove(moved)["proved"]


def test_an_adapter_of_other_scales_is_folded(unlike: Run, tmp_path: Path) -> None:
    told = whet.export(unlike, "gguf", out=tmp_path / "out", type="lora")
    assert told["proved"] and any("multiplied into B" in note for note in told["notes"])
    assert read_header(tmp_path / "out" / "adapter.gguf").metadata["general.type"] == "adapter"
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    assert whet.prove(moved)["proved"], "the base lies beside it, wherever that is"


def test_ollama_gets_a_go_template(sound: Run, tmp_path: Path) -> None:
    told = whet.export(sound, "ollama", out=tmp_path / "out", type="q8_0")
    assert told["proved"] and told["proofs"][0]["measured"]["ids_compared"] > 0
    assert "{{ .Content }}" in template_in(tmp_path / "out" / "Modelfile")
    assert 'PARAMETER stop "<|end|>"' in (tmp_path / "out" / "Modelfile").read_text("utf-8")


def test_kinds_and_models_that_are_refused(sound: Run, unlike: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="llama-quantize"):
        whet.export(sound, "gguf", out=tmp_path / "out", type="q4_k_m")
    dora = made_run(tmp_path / "dora", adapter={"kind": "lora", "rank": 4, "dora": True})
    assert "DoRA" in str(GGUF.refusal(tuned_of(dora), "lora"))
    full = made_run(tmp_path / "full", adapter={"kind": "full"})
    assert "every weight" in str(GGUF.refusal(tuned_of(full), "lora"))


def test_what_was_changed_in_a_file_is_named(sound: Run, tmp_path: Path) -> None:
    whet.export(sound, "gguf", out=tmp_path / "out", type="f32")
    rewrite(tmp_path / "out" / "model.gguf", {"tokenizer.ggml.pre": "gpt-2", "tokenizer.chat_template": "{{ 1 }}"})
    with pytest.raises(ProofError):
        whet.prove(tmp_path / "out", run_root=sound.folder.parent)
    faults = json.loads((tmp_path / "out" / "proof.json").read_text("utf-8"))["proofs"][0]["faults"]
    assert {"pre-tokenizer-changed", "no-generation-prompt"} <= {one["name"] for one in faults}


def test_a_change_that_no_answer_shows_is_seen_by_its_checksum(sound: Run, tmp_path: Path) -> None:
    whet.export(sound, "merged", out=tmp_path / "out")
    file = tmp_path / "out" / "generation_config.json"
    told = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(told | {"pad_token_id": told["eos_token_id"]}), "utf-8")
    with pytest.raises(ProofError, match="pad-is-stop"):
        whet.prove(tmp_path / "out", run_root=sound.folder.parent)


def test_a_layer_without_its_adapter_is_named(sound: Run, tmp_path: Path) -> None:
    whet.export(sound, "adapter", out=tmp_path / "out")
    file = tmp_path / "out" / "adapter_model.safetensors"
    tensors = load_file(file)
    names = [name for name in tensors if ".layers.3." in name and "lora_B" in name]
    save_file(tensors | {name: 0 * tensors[name] for name in names}, file, {"format": "pt"})
    with pytest.raises(ProofError):
        whet.prove(tmp_path / "out", run_root=sound.folder.parent)
    faults = json.loads((tmp_path / "out" / "proof.json").read_text("utf-8"))["proofs"][0]["faults"]
    assert "zeroed" in {one["name"] for one in faults}
