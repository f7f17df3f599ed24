"""A column of numbers or short bytes that grows at its end, in one piece of memory."""

from __future__ import annotations

import numpy as np


class Column:
    """Appends arrays; lists of many small arrays would leave the memory in pieces."""

    def __init__(self, dtype: str) -> None:
        self._dtype, self._data = np.dtype(dtype), bytearray()

    def add(self, values: np.ndarray) -> None:
        """Not while a `whole` is in use."""
        self._data += values.astype(self._dtype, copy=False).tobytes()

    def whole(self) -> np.ndarray:
        """All values so far, not copied."""
        return np.frombuffer(self._data, dtype=self._dtype)
