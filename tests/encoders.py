"""Sentence encoders of the tests' own: static vectors from the bundled base, a tiny BERT, and one behind a URL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, BertTokenizer

from tests.chat_server import Server

NANO = Path(__file__).parents[1] / "whet" / "model" / "nano"
WORDS = "the cat sat on a mat dog ran far away".split()


def static_encoder(folder: Path, seed: int = 0) -> Path:
    """model2vec's format: the token vectors of the bundled base, cut to 32 of their directions."""
    folder.mkdir(parents=True)
    table = load_file(NANO / "model.safetensors")["model.embed_tokens.weight"].float().numpy()
    down = np.random.default_rng(seed).standard_normal((table.shape[1], 32)).astype(np.float32)
    save_file({"embeddings": np.ascontiguousarray(table @ down)}, folder / "model.safetensors")
    (folder / "tokenizer.json").write_bytes((NANO / "tokenizer.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    return folder


def tiny_bert(folder: Path) -> Path:
    """Two layers of random weights over ten words, as transformers saves it."""
    folder.mkdir(parents=True)
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(names))
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    BertModel(BertConfig(vocab_size=len(names), max_position_embeddings=32, **sizes)).eval().save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def with_modules(folder: Path, pooling: dict[str, Any], *more: str, **told: Any) -> Path:
    """The same as sentence-transformers saves it: with a list of modules, one of which pools."""
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), *((name, f"2_{name}") for name in more)]
    listed = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in modules]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told))
    return folder


def letters(text: str) -> list[float]:
    """How often each letter stands in it."""
    return [float(text.lower().count(chr(97 + number))) for number in range(26)]


def embeddings_server(vector: Callable[[str], list[float]] = letters) -> Server:
    """Answers POST /v1/embeddings, in an order of its own."""
    server = Server()

    def reply(number: int) -> tuple[int, Any]:
        texts = server.asked[number][2]["input"]
        data = [{"index": place, "embedding": vector(text)} for place, text in enumerate(texts)]
        return 200, {"object": "list", "data": data[::-1]}

    server.reply = reply
    return server
