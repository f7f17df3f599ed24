"""Encoders behind an OpenAI-compatible URL: `POST /v1/embeddings`.

Nobody tells when another model answers under the same name. So a text that is always the same goes with each request:
vectors that come with another answer to it are never put beside the old ones.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from whet.errors import RunError
from whet.model_server import ANOTHER_SERVER, BadResponse, ModelServer

BATCH = 64
"""Texts of a request."""
PROBE = "Whet asks whether this is still the same encoder."
ALIKE = 0.999
"""Cosine of two answers of one model to the same text, at least: servers do not answer to the last bit alike."""


class RemoteEncoder:
    """Vectors of width D, as the server gives them."""

    def __init__(self, server: ModelServer) -> None:
        """Asks once. Raises InputError and RunError as `ModelServer.post` does."""
        self.server = server
        self.identity = hashlib.sha256(f"{server.url.rstrip('/')}\0{server.model}".encode()).hexdigest()
        self.probe: np.ndarray = self._asked([PROBE])[0]

    def encode_document(self, inputs: list[str], /) -> np.ndarray:
        """(texts, D), float32. Raises RunError where another model answers than at first, or the server stays away;
        InputError where it refuses."""
        found = []
        for begin in range(0, len(inputs), BATCH):
            answer = self._asked([PROBE, *inputs[begin : begin + BATCH]])
            if not alike(answer[0], self.probe):
                what = "another model than before answers there, whose vectors cannot be compared with the old ones"
                fix = "start again: then all passages are encoded anew"
                raise RunError(what, where=self.server.url, value=self.server.model, fix=fix)
            found.append(answer[1:])
        return np.concatenate(found)

    encode_query = encode_document

    def _asked(self, texts: list[str]) -> np.ndarray:
        body = {"model": self.server.model, "input": texts, "encoding_format": "float"}
        answer = self.server.post("/embeddings", body)
        try:
            listed: list[Any] = sorted(answer["data"], key=lambda each: each["index"])
            vectors = np.array([each["embedding"] for each in listed], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            what = "the server's answer holds no embeddings"
            raise BadResponse(what, where=self.server.url, fix=ANOTHER_SERVER) from error
        if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
            what = "these are not as many embeddings as there are texts"
            raise BadResponse(what, where=self.server.url, value=vectors.shape, fix=ANOTHER_SERVER)
        return vectors


def alike(one_D: np.ndarray, other_D: np.ndarray) -> bool:
    """Are these two answers of one model to the same text?"""
    if one_D.shape != other_D.shape:
        return False
    one, other = one_D.astype(np.float64), other_D.astype(np.float64)
    return bool(one @ other >= ALIKE * np.linalg.norm(one) * np.linalg.norm(other))
