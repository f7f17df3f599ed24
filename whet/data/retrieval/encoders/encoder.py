"""What dense retrieval needs of a sentence encoder."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class SentenceEncoder(Protocol):
    """sentence-transformers' `SentenceTransformer` is one, too. Encoders that were trained for search put different
    words before questions and passages, which is why there are two methods."""

    def encode_query(self, inputs: list[str], /) -> Any:
        """One vector a question, as an array of (questions, width)."""
        ...

    def encode_document(self, inputs: list[str], /) -> Any:
        """One vector a passage, as an array of (passages, width)."""
        ...


class OpenedEncoder(SentenceEncoder, Protocol):
    """One that a recipe or the service named."""

    @property
    def identity(self) -> str:
        """64 hex digits: another encoder has another, so its vectors are never taken for this one's."""
        ...

    @property
    def probe(self) -> np.ndarray | None:
        """What it says to a text that is always the same, where nothing else tells whether it is still the same
        encoder: it answers at a URL."""
        ...
