"""What a tune would refuse of a base, `whet check` refuses without its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.quantised_bases import saved
from whet.errors import ModelError
from whet.model import base_check
from whet.model.base import load_base
from whet.model.base_check import refuse_unfit_base
from whet.recipe.schema import Recipe


def asked(folder: Path, **keys: Any) -> Recipe:
    return Recipe.model_validate({"data": "d.jsonl", "base": str(folder)} | keys)


def refusal(folder: Path, **keys: Any) -> str:
    with pytest.raises(ModelError) as caught:
        refuse_unfit_base(asked(folder, **keys))
    return str(caught.value)


def comes_quantised(folder: Path, **keys: Any) -> Path:
    """The config of a base that was saved in 4 bits."""
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True} | keys
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", ["Llama", "GPT2"])
def test_a_base_that_fits_is_not_refused(tmp_path: Path, name: str) -> None:
    pytest.importorskip("bitsandbytes")
    folder = saved(tmp_path / "base", name)
    for keys in ({}, {"quantise": "nf4"}):
        refuse_unfit_base(asked(folder, **keys))


def test_what_cannot_be_quantised_is_refused_in_the_same_words(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    folder = saved(tmp_path / "base", intermediate_size=96)
    with pytest.raises(ModelError) as caught:
        load_base(str(folder), torch.float32, quantise="nf4")
    assert refusal(folder, quantise="nf4") == str(caught.value) and "reads 96 numbers" in str(caught.value)
    twice = comes_quantised(saved(tmp_path / "twice"))
    assert "quantised already" in refusal(twice, quantise="nf4")


def test_the_package_must_be_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise ModelError("a 4-bit base needs the package bitsandbytes")

    monkeypatch.setattr(base_check, "bitsandbytes", absent)
    assert "needs the package bitsandbytes" in refusal(saved(tmp_path / "base"), quantise="nf4")


def test_a_base_that_comes_in_4_bits_is_tried_by_its_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bitsandbytes")
    folder = comes_quantised(saved(tmp_path / "base"))
    (folder / "model.safetensors").write_bytes(b"")  # not looked at
    refuse_unfit_base(asked(folder, adapter={"kind": "lora", "targets": ["q_proj"]}))
    assert "no module of the base matches" in refusal(folder, adapter={"kind": "lora", "targets": ["nope"]})
    import transformers.quantizers.quantizer_bnb_4bit as bnb

    monkeypatch.setattr(bnb, "is_bitsandbytes_available", lambda: False)
    assert "requires bitsandbytes" in refusal(folder)


def test_of_a_base_on_the_hub_the_config_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it lies in the Hub's cache before any weights were fetched."""
    folder = saved(tmp_path / "base")
    (folder / "model.safetensors").unlink()
    assert "no weights" in refusal(folder)
    monkeypatch.setattr(base_check, "folder_of", lambda name: None)
    refuse_unfit_base(asked(folder))
    assert "no module of the base matches" in refusal(folder, adapter={"kind": "lora", "targets": ["nope"]})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_attention_heads": 5}))
    assert "base" in refusal(folder)
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 4}))
    assert "tokenizer is not the one of its weights" in refusal(folder)
