"""A GGUF file, unpacked, is the model that it was made from: numbers, tokens and probabilities."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from tests import gguf_files
from whet.errors import DiskFullError, ModelError, RunFolderError
from whet.model.base import base_notes, load_base, locate
from whet.model.gguf import convert
from whet.store.home import cache_home

IDS = torch.tensor([[5, 900, 17, 2048, 333, 44, 4000, 1, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83]])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "cache"))


def logprobs(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits.float().log_softmax(-1)


@pytest.mark.parametrize(
    ("name", "kind", "changes"),
    [
        ("Llama", "F16", {"tie_word_embeddings": True}),
        ("Llama", "Q8_0", {"tie_word_embeddings": False}),
        ("Llama", "Q4_1", {"attention_bias": True, "mlp_bias": True}),
        ("Llama", "F32", {"rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0}}),
        ("Mistral", "BF16", {}),
        ("Qwen2", "Q8_0", {"tie_word_embeddings": True}),
        ("Qwen3", "F16", {"tie_word_embeddings": True}),
    ],
)
def test_the_model_read_is_the_model_written(tmp_path: Path, name: str, kind: str, changes: dict[str, Any]) -> None:
    model = gguf_files.model_of(name, **changes)
    gguf_files.write(tmp_path / "tiny.gguf", name, kind, model=model)
    wanted = gguf_files.as_stored(model, kind)
    found = load_base(str(tmp_path / "tiny.gguf"), torch.float32).model
    assert type(found) is type(model)
    state = found.state_dict()
    for key, value in wanted.state_dict().items():
        assert torch.equal(state[key], value), key
    assert torch.equal(logprobs(found), logprobs(wanted))


def test_the_tokens_are_those_of_the_model(tmp_path: Path) -> None:
    gguf_files.write(tmp_path / "tiny.gguf")
    found = load_base(str(tmp_path / "tiny.gguf"), torch.float32).tokenizer
    nano = load_base("nano", torch.float32).tokenizer
    for text in ("Hello, world! It's 2024.", "  naïve\n\n\tcafé 123", "<|user|>hi<|end|>"):
        assert found(text)["input_ids"] == nano(text)["input_ids"]
    assert found.eos_token_id == nano.eos_token_id and found.chat_template == gguf_files.TEMPLATE


def test_transformers_own_reader_gives_the_same_llama(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    from transformers import AutoModelForCausalLM

    gguf_files.write(tmp_path / "tiny.gguf", "Llama", "Q8_0")
    other = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf", dtype=torch.float32)
    found = load_base(str(tmp_path / "tiny.gguf"), torch.float32).model
    assert torch.equal(logprobs(found), logprobs(other))


def test_the_positions_of_llama_3_are_stretched(tmp_path: Path) -> None:
    """transformers' own reader leaves the tensor of factors out, and so reads another model."""
    rope = {
        "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
    }  # fmt: skip
    model = gguf_files.model_of("Llama", rope_parameters=rope, max_position_embeddings=131_072)
    plain = 1 / 500_000.0 ** (torch.arange(0, 16, 2) / 16)
    factors = plain / model.model.rotary_emb.inv_freq
    assert factors.max() > 7
    with_factors = lambda writer: gguf_files.add(writer, "rope_freqs.weight", factors, "F32")  # noqa: E731
    gguf_files.write(tmp_path / "tiny.gguf", model=model, edit=with_factors)
    found = load_base(str(tmp_path / "tiny.gguf"), torch.float32).model
    assert found.config.rope_parameters == rope
    assert torch.equal(logprobs(found), logprobs(gguf_files.as_stored(model, "F16")))


def test_the_folder_is_named_by_content_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first.gguf", tmp_path / "second.gguf"
    gguf_files.write(first)
    second.write_bytes(first.read_bytes())
    folder = locate(str(first))
    monkeypatch.setattr(convert, "convert", None)
    assert locate(str(second)) == folder and folder.startswith(str(cache_home()))
    assert not list(cache_home().rglob("*.tmp"))


def test_another_content_at_the_same_path_is_another_base(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    gguf_files.write(path)
    first = load_base(str(path), torch.float32)
    gguf_files.write(path, model=gguf_files.model_of("Llama", seed=7))
    second = load_base(str(path), torch.float32)
    assert first.path != second.path and first.fingerprint != second.fingerprint


def test_a_folder_that_lost_a_file_is_made_again(tmp_path: Path) -> None:
    gguf_files.write(tmp_path / "tiny.gguf")
    folder = Path(locate(str(tmp_path / "tiny.gguf")))
    (folder / "model.safetensors").unlink()
    assert Path(locate(str(tmp_path / "tiny.gguf"))) == folder and (folder / "model.safetensors").is_file()


def test_weights_of_many_gigabytes_are_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "SHARD", 100_000)
    model = gguf_files.write(tmp_path / "tiny.gguf")
    folder = Path(locate(str(tmp_path / "tiny.gguf")))
    parts = sorted(folder.glob("*.safetensors"))
    assert len(parts) > 2
    held = 0
    for part in parts:
        with safe_open(part, "pt") as file:
            held += len(list(file.keys()))
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert held == len(index["weight_map"])
    found = load_base(str(tmp_path / "tiny.gguf"), torch.float32).model
    assert torch.equal(logprobs(found), logprobs(gguf_files.as_stored(model, "F16")))


def test_folders_used_longest_ago_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []
    for seed in range(3):
        path = tmp_path / f"{seed}.gguf"
        gguf_files.write(path, model=gguf_files.model_of("Llama", seed=seed))
        folders.append(Path(locate(str(path))))
        os.utime(folders[-1] / convert.FACTS, (seed, seed))
    size = sum(file.stat().st_size for file in folders[0].iterdir())
    monkeypatch.setattr(convert, "MOST_KEPT", int(2.5 * size))
    convert._prune(folders[2])
    assert [folder.exists() for folder in folders] == [False, True, True]


def test_a_disk_without_room_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf_files.write(tmp_path / "tiny.gguf")
    monkeypatch.setattr(convert, "free_bytes", lambda path: 1000)
    with pytest.raises(DiskFullError, match="WHET_CACHE"):
        locate(str(tmp_path / "tiny.gguf"))
    assert not [path for path in cache_home().rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf_files.write(tmp_path / "tiny.gguf")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunFolderError, match="set WHET_CACHE"):
        locate(str(tmp_path / "tiny.gguf"))


def test_what_quantisation_costs_is_said(tmp_path: Path) -> None:
    gguf_files.write(tmp_path / "tiny.gguf", kind="Q4_1")
    gguf_files.write(tmp_path / "half.gguf", kind="F16")
    [told] = base_notes(str(tmp_path / "tiny.gguf"))
    assert "Q4_1" in told and "bfloat16" in told and "error of its quantisation stays" in told
    assert "error of its quantisation" not in base_notes(str(tmp_path / "half.gguf"))[0]
    assert base_notes("nano") == []


def test_a_folder_with_one_file_and_one_in_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    home = tmp_path / "hub" / "models--someone--tiny-GGUF"
    snapshot = home / "snapshots" / "abc123"
    blob = home / "blobs" / "0123456789"
    for folder in (snapshot, home / "refs", blob.parent):
        folder.mkdir(parents=True)
    (home / "refs" / "main").write_text("abc123")
    gguf_files.write(blob)
    (snapshot / "tiny.gguf").symlink_to(blob)
    wanted = locate(str(snapshot / "tiny.gguf"))
    for name in (str(snapshot), "someone/tiny-GGUF", "someone/tiny-GGUF/tiny.gguf"):
        assert locate(name) == wanted
    (snapshot / "other.gguf").symlink_to(blob)
    with pytest.raises(ModelError, match=r"2 GGUF files.*\n.*other.gguf, tiny.gguf"):
        locate(str(snapshot))
    (home / "refs" / "main").write_text("../../../..")
    assert locate("someone/tiny-GGUF") == "someone/tiny-GGUF"
