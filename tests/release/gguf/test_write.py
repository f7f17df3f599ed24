"""A model folder written as GGUF and read back by Whet's own reader: the same model, from one table of names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoTokenizer

from tests.release.gguf.test_families import NANO, folder_of
from whet.errors import ModelError
from whet.model.gguf.convert import convert, unpack
from whet.model.gguf.header import read_header
from whet.release.gguf.kinds import ELSEWHERE, kind_refusal, quantised
from whet.release.gguf.weights import FolderWeights
from whet.release.gguf.write import GgufSource, write_gguf


@pytest.fixture(scope="module")
def nano_f32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gguf") / "nano.gguf"
    write_gguf(GgufSource(NANO, [1], "nano"), "f32", file)
    return file


@pytest.mark.parametrize("name", ["llama", "llama3", "linear", "qwen2", "qwen3"])
def test_what_is_written_is_read_back_as_it_was(name: str, tmp_path: Path) -> None:
    _, folder = folder_of(tmp_path / "model", name)
    write_gguf(GgufSource(folder, [1], name), "f32", tmp_path / "model.gguf")
    (tmp_path / "back").mkdir()
    convert(read_header(tmp_path / "model.gguf"), tmp_path / "back")
    with FolderWeights(folder) as wanted, FolderWeights(tmp_path / "back") as found:
        assert wanted.shapes() == found.shapes()
        assert all(torch.equal(wanted.read(key), found.read(key)) for key in wanted)
    told = [AutoConfig.from_pretrained(one).to_dict() for one in (folder, tmp_path / "back")]
    for key in ("rope_parameters", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "vocab_size"):
        assert told[0][key] == told[1][key], key


def test_the_tokenizer_comes_back(nano_f32: Path, tmp_path: Path) -> None:
    convert(read_header(nano_f32), tmp_path)
    wanted, found = (AutoTokenizer.from_pretrained(folder) for folder in (NANO, tmp_path))
    for text in ("Hello, it's 2024!", "  two\n\nlines", "Grüße 你好 👍🏽", "<|user|>hi<|end|>"):
        assert wanted(text)["input_ids"] == found(text)["input_ids"]
    assert wanted.chat_template == found.chat_template


def test_a_rule_that_llama_cpp_has_not_quite_is_told(nano_f32: Path, tmp_path: Path) -> None:
    notes = write_gguf(GgufSource(NANO, [1], "nano"), "q8_0", tmp_path / "nano.gguf")
    assert any("O'Sullivan" in note for note in notes)
    assert read_header(nano_f32).metadata["tokenizer.ggml.pre"] == "qwen2"


def test_every_kind_of_numbers_is_written(nano_f32: Path, tmp_path: Path) -> None:
    wanted = unpack(read_header(nano_f32), read_header(nano_f32).tensors["blk.2.ffn_down.weight"]).float()
    for kind, most in {"f16": 5e-4, "bf16": 4e-3, "q8_0": 1e-2, "q5_1": 6e-2, "q4_0": 0.15}.items():
        write_gguf(GgufSource(NANO, [1], "nano"), kind, tmp_path / f"{kind}.gguf")
        header = read_header(tmp_path / f"{kind}.gguf")
        found = unpack(header, header.tensors["blk.2.ffn_down.weight"]).float()
        assert 0 <= (found - wanted).norm() / wanted.norm() < most, kind
        assert "output.weight" not in header.tensors, "the output layer is the embedding"


def test_kinds_that_only_llama_cpp_writes_are_refused_with_what_to_do() -> None:
    assert kind_refusal("q8_0") is None
    assert all("llama-quantize" in str(kind_refusal(kind)) for kind in ELSEWHERE)
    assert "q8_0" in str(kind_refusal("q9"))


def test_a_number_too_large_for_float16_is_refused() -> None:
    weight = torch.ones(2, 32)
    weight[0, 0] = 70_000.0
    with pytest.raises(ModelError, match=r"70,?000|7e\+04"):
        quantised("blk.0.ffn_up.weight", weight, "f16")
    quantised("blk.0.ffn_up.weight", weight, "bf16")


def test_another_family_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 2}')
    with pytest.raises(ModelError, match="'gpt2'"):
        write_gguf(GgufSource(tmp_path, [1], "x"), "f16", tmp_path / "x.gguf")
    assert not (tmp_path / "x.gguf").exists()


@pytest.mark.parametrize(
    ("name", "changes"),
    [("gemma2", {"query_pre_attn_scalar": 99}), ("gemma2", {"final_logit_softcapping": None}),
     ("llama", {"hidden_act": "gelu"}), ("qwen3", {"attention_bias": True})],
)  # fmt: skip
def test_what_llama_cpp_computes_otherwise_is_refused(name: str, changes: dict, tmp_path: Path) -> None:
    _, folder = folder_of(tmp_path / "model", name)
    config = AutoConfig.from_pretrained(folder)
    for key, value in changes.items():
        setattr(config, key, value)
    config.save_pretrained(folder)
    with pytest.raises(ModelError, match="not written as GGUF"):
        write_gguf(GgufSource(folder, [1], name), "f32", tmp_path / "model.gguf")
    assert not (tmp_path / "model.gguf").exists()


def test_a_missing_tensor_and_one_too_many_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    _, folder = folder_of(tmp_path / "model", "qwen2")
    tensors = load_file(folder / "model.safetensors")
    norm = tensors.pop("model.norm.weight")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"'model\.norm\.weight' is missing"):
        write_gguf(GgufSource(folder, [1], "x"), "f32", tmp_path / "model.gguf")
    save_file(
        {**tensors, "model.norm.weight": norm, "model.odd": norm.clone()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"'model\.odd'"):
        write_gguf(GgufSource(folder, [1], "x"), "f32", tmp_path / "model.gguf")
