"""Vectors of passages, kept in the service's own database: a text is encoded once, and not again at each start.

A vector is found by the identity of its encoder and the sha256 of its text. So a change of a document encodes the
passages that are new, and another encoder finds nothing of the one before. The database only saves work: searches look
through vectors in memory, which belong to a snapshot of documents (whet/data/retrieval/growing_index.py).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from whet.data.retrieval.encoders.encoder import OpenedEncoder
from whet.data.retrieval.encoders.remote import alike
from whet.errors import WhetError
from whet.server.database.opening import Database
from whet.server.database.tables import passage_vectors
from whet.server.errors import ApiError

PROBE = "probe"
"""In the place of a text's hash: what the encoder said to the text that is always the same."""
AT_ONCE = 256
"""Texts that are looked up, or encoded and kept, in one go: whoever is killed loses no more."""
DAY = 86400.0
KEPT_SECONDS = 30 * DAY
"""A vector that nobody used for so long is let go."""
NUMBER = np.dtype("<f4")
UNAVAILABLE = "The encoder that finds passages does not answer; the service's log says why."
log = logging.getLogger("whet.server")


class KeptEncoder:
    """An encoder that remembers its passages. Whatever keeps it from answering is told to clients as 503."""

    def __init__(self, encoder: OpenedEncoder, database: Database) -> None:
        self.encoder, self.database = encoder, database
        if encoder.probe is not None:
            self._refuse_vectors_of_another(encoder.probe)

    def encode_query(self, inputs: list[str], /) -> Any:
        """Raises ApiError 503."""
        return _asked(self.encoder.encode_query, inputs)

    def encode_document(self, inputs: list[str], /) -> np.ndarray:
        """Raises ApiError 503."""
        found: list[np.ndarray] = []
        for texts in _groups(inputs):
            names = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts]
            known = self._known(names)
            new = {name: text for name, text in zip(names, texts, strict=True) if name not in known}
            if new:
                vectors = np.asarray(_asked(self.encoder.encode_document, list(new.values())), np.float32)
                made = dict(zip(new, vectors, strict=True))
                self._keep(made)
                known |= made
            found += [known[name] for name in names]
        return np.stack(found)

    def _known(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        table = passage_vectors.c
        here = and_(table.encoder == self.encoder.identity, table.text.in_(names))
        with self.database.read() as connection:
            now = self.database.now(connection)
            rows = connection.execute(select(table.text, table.vector, table.used_at).where(here)).all()
        if any(row.used_at < now - DAY for row in rows):
            with self.database.write() as connection:
                connection.execute(update(passage_vectors).where(here).values(used_at=now))
        return {row.text: np.frombuffer(row.vector, NUMBER) for row in rows}

    def _keep(self, made: dict[str, np.ndarray]) -> None:
        """Two servers may make the same vector: the first one stays."""
        insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[self.database.kind](passage_vectors)
        with self.database.write() as connection:
            now = self.database.now(connection)
            rows = [
                {"encoder": self.encoder.identity, "text": name, "vector": vector.astype(NUMBER).tobytes()}
                | {"used_at": now}
                for name, vector in made.items()
            ]
            connection.execute(insert.on_conflict_do_nothing(), rows)

    def _refuse_vectors_of_another(self, probe: np.ndarray) -> None:
        """Those that another model made under the same name are let go."""
        held = self._known([PROBE]).get(PROBE)
        if held is not None and not alike(held, probe):
            log.warning("documents: another encoder answers at the same place: all passages are encoded anew")
            with self.database.write() as connection:
                mine = passage_vectors.c.encoder == self.encoder.identity
                connection.execute(delete(passage_vectors).where(mine))
        self._keep({PROBE: probe})


def forget_unused(database: Database) -> None:
    """Vectors that nobody used for 30 days."""
    with database.write() as connection:
        connection.execute(delete(passage_vectors).where(passage_vectors.c.used_at < _long_ago(database, connection)))


def _long_ago(database: Database, connection: Connection) -> float:
    return database.now(connection) - KEPT_SECONDS


def _groups(texts: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(texts), AT_ONCE):
        yield texts[begin : begin + AT_ONCE]


def _asked(encode: Callable[[list[str]], Any], texts: list[str]) -> Any:
    """The message for clients names no place; the log does."""
    try:
        return encode(texts)
    except WhetError as error:
        log.warning("documents: %s", error)
        raise ApiError(503, UNAVAILABLE, code="encoder_unavailable") from error
