"""Bases that have what can go wrong: a first token, an added token, weights in several files, stretched positions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from whet.model.base import locate

BEGIN, TICKET = "<|begin|>", "<|ticket|>"
SHARD = "4MB"
STRETCHED = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}


def begun(folder: Path) -> Path:
    """nano with a first token that its template writes, an added token, and its weights in three files."""
    return _changed(folder, (BEGIN, TICKET), {})


def stretched(folder: Path) -> Path:
    """nano with positions stretched by two."""
    return _changed(folder, (), {"rope_parameters": STRETCHED, "max_position_embeddings": 2048})


def _changed(folder: Path, added: tuple[str, ...], config: dict[str, Any]) -> Path:
    """Makes the folder where it is not there yet."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if (folder / "config.json").is_file():
        return folder

    nano = locate("nano")
    model = AutoModelForCausalLM.from_pretrained(nano, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(nano)

    if added:
        tokenizer.add_special_tokens({"bos_token": added[0]})
        tokenizer.add_tokens([*added[1:]])
        _begin(tokenizer)
        tokenizer.chat_template = "{{- bos_token -}}" + tokenizer.chat_template
        torch.manual_seed(0)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        model.config.bos_token_id = model.generation_config.bos_token_id = tokenizer.bos_token_id

    for key, value in config.items():
        setattr(model.config, key, value)
    model.save_pretrained(folder, max_shard_size=SHARD)
    tokenizer.save_pretrained(folder)

    return folder


def _begin(tokenizer: Any) -> None:
    """The tokenizer puts its first token before every text."""
    from tokenizers import processors

    token = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token}:1 $B:1", special_tokens=[(token, tokenizer.bos_token_id)]
    )


def other_revision(folder: Path, base: Path) -> Path:
    """The same base as another revision has it: one layer of other weights."""
    from safetensors.torch import load_file, save_file

    if (folder / "config.json").is_file():
        return folder

    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    for file in base.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
            continue

        tensors = load_file(file)
        for name in tensors:
            if ".layers.2.mlp." in name:
                noise = torch.randn(tensors[name].shape, generator=generator)
                tensors[name] = tensors[name] + (0.3 * tensors[name].float().std() * noise).to(tensors[name].dtype)
        save_file(tensors, folder / file.name, {"format": "pt"})

    return folder


def is_made(folder: Path) -> bool:
    return (folder / "config.json").is_file() and bool(json.loads((folder / "config.json").read_text("utf-8")))
