"""What is kept of the rows while they are read, on disk and in columns, until every row has its fate."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from whet.data.batches.segment_files import SegmentWriter
from whet.data.ledger import Fate, Ledger
from whet.data.split.parts import Parts
from whet.data.split.row_traits import Traits


class SpooledRows:
    """What is kept of the rows while they are read: the ledger of all, traits and segments of the usable ones."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.traits, self.writer = Ledger(), Traits(folder), SegmentWriter(folder)
        self.unknown = 0
        """With retrieval: rows of which it is not known which passage holds the answer."""

    def drop(self, positions: np.ndarray, reason: str, words: str) -> None:
        """Usable rows that are not to be used after all; positions count usable rows."""
        for row in self.indices()[positions].tolist():
            self.ledger.drop(row, reason, f"{self.ledger.entry(row).where}: {words}")

    def close(self, parts: Parts) -> None:
        """Every row that is in a part gets its fate, and every row must have one. Raises ProofError."""
        column, count = self.writer.columns(), len(self.ledger)
        tokens = np.bincount(column["row"], weights=column["length"], minlength=count).astype(np.int64)
        supervised = np.bincount(column["row"], weights=column["supervised"], minlength=count).astype(np.int64)
        begin = self.traits.column("content").view(np.uint8).reshape(-1, 32)[:, :8]
        hashes = np.ascontiguousarray(begin).view(">u8")[:, 0]

        fates: list[tuple[Fate, np.ndarray]] = [
            ("trained", parts.train),
            ("validation", parts.validation),
            ("test", parts.test),
        ]
        for fate, positions in fates:
            rows = self.indices()[positions]
            self.ledger.close_all(rows, fate, tokens[rows], supervised[rows], hashes[positions])

        self.ledger.check()

    def columns(self) -> dict[str, np.ndarray]:
        """Of the segments, and of the ledger under `ledger.`."""
        stored = {f"ledger.{name}": column for name, column in self.ledger.columns().items()}
        return stored | self.writer.columns()

    def indices(self) -> np.ndarray:
        """The index in the input of each usable row: it has one root."""
        column = self.writer.columns()
        return column["row"][column["parent"] < 0]
