"""Static encoders: a text is the mean of its tokens' vectors. Small and fast, on a processor too.

Read from the folders of model2vec (https://github.com/MinishLab/model2vec) and of sentence-transformers'
StaticEmbedding: a table of vectors as safetensors, and a tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from whet.data.retrieval.encoders.modules import module_paths, read_json
from whet.errors import ModelError

MODEL2VEC, EMBEDDING = "model2vec", "StaticEmbedding"
USUAL_LENGTH = 512
"""Tokens of a text that model2vec reads, where its configuration says nothing."""


def is_static(folder: Path) -> bool:
    """Raises ModelError for configuration that is no JSON."""
    return read_json(folder / "config.json").get("model_type") == MODEL2VEC or EMBEDDING in module_paths(folder)


class StaticEncoder:
    """V tokens with vectors of width D. A text without a known token has a vector of zeros."""

    probe = None

    def __init__(self, folder: Path, identity: str) -> None:
        """Raises ModelError for a folder that holds none."""
        self.identity = identity
        config = read_json(folder / "config.json")
        by_model2vec = config.get("model_type") == MODEL2VEC
        inner = folder / module_paths(folder).get(EMBEDDING, "")
        if not (inner / "tokenizer.json").is_file():
            inner = folder  # model2vec lists its module in a folder of its own, and saves it beside the list
        try:
            self._tokenizer = Tokenizer.from_file(str(inner / "tokenizer.json"))
            tensors = load_file(inner / "model.safetensors")
        except Exception as error:  # tokenizers knows no kind of its own
            fix = "it needs tokenizer.json and model.safetensors, as model2vec saves them"
            raise ModelError(f"this static encoder cannot be read: {error}", where=str(folder), fix=fix) from error

        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        table_VD = tensors.get("embeddings", tensors.get("embedding.weight"))
        size = self._tokenizer.get_vocab_size()
        mapping_V, weight_V = tensors.get("mapping"), tensors.get("weights")
        if table_VD is None or table_VD.ndim != 2 or (mapping_V is None and len(table_VD) < size):
            what = "the vectors of this static encoder are not those of its tokenizer"
            raise ModelError(what, where=str(folder), value=sorted(tensors), fix="save it again, as model2vec does")
        self._table_VD, self._mapping_V, self._weight_V = table_VD, mapping_V, weight_V
        self._unknown = _unknown(self._tokenizer) if by_model2vec else None
        self._most = config.get("max_length", USUAL_LENGTH) if by_model2vec else None
        self._letters = int(np.median([len(token) for token in self._tokenizer.get_vocab()]))

    def encode_document(self, inputs: list[str], /) -> np.ndarray:
        """(texts, D), float32: of each text alone, so what stands beside it changes nothing."""
        return np.stack([self._mean(ids) for ids in self._ids(inputs)])

    encode_query = encode_document

    def _ids(self, texts: list[str]) -> list[list[int]]:
        if self._most is not None:
            texts = [text[: self._most * self._letters] for text in texts]  # as model2vec, which tokenises no more
        found = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [[number for number in each.ids[: self._most] if number != self._unknown] for each in found]

    def _mean(self, ids: list[int]) -> np.ndarray:
        if not ids:
            return np.zeros(self._table_VD.shape[1], np.float32)
        rows = ids if self._mapping_V is None else self._mapping_V[ids]
        vectors_TD = self._table_VD[rows].astype(np.float32)
        if self._weight_V is not None:
            vectors_TD *= self._weight_V[ids].astype(np.float32)[:, None]
        return vectors_TD.mean(axis=0, dtype=np.float64).astype(np.float32)


def _unknown(tokenizer: Tokenizer) -> int | None:
    """The token that stands for what the tokenizer does not know, which model2vec leaves out."""
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:
        return model["unk_id"]
    token = model.get("unk_token")
    return None if token is None else tokenizer.token_to_id(token)
