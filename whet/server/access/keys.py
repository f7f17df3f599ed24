"""Keys: shown once, kept as scrypt hashes (RFC 7914), found by their first characters.

A key is "wk-", 8 characters by which it is found, and 40 that are secret. Verifying costs some 50 ms on purpose, so a
process remembers for a minute which secrets were right, as hashes with a salt of its own; a revoked key is out at once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from whet.errors import InputError
from whet.server.access.audit import note
from whet.server.database.identifiers import new_id, secret_text
from whet.server.database.opening import Database
from whet.server.database.tables import keys, projects

PREFIX, SHOWN, SECRET = "wk-", 8, 40
COST = {"n": 2**14, "r": 8, "p": 1}
"""scrypt's parameters: 16 MB and some 50 ms a key, as OWASP's cheat sheet of 2025 has it at least."""
REMEMBERED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    name: str
    project: str
    project_name: str
    scopes: tuple[str, ...]
    requests_per_minute: int | None
    tokens_per_minute: int | None
    created_at: float
    revoked_at: float | None


class KeyRing:
    """The keys of a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._pepper = secrets.token_bytes(16)
        self._right: dict[bytes, tuple[str, float]] = {}
        """Digest of a secret that was right: its key, and until when that is believed."""

    def create(
        self,
        name: str,
        project: str,
        scopes: Sequence[str],
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
    ) -> tuple[Key, str]:
        """A new key of a project (by name; made where it is new), and its secret, which nobody can see again."""
        secret = PREFIX + secret_text(SHOWN + SECRET)
        salt = secrets.token_hex(16)
        with self.database.write() as connection:
            now = self.database.now(connection)
            values = {
                "id": new_id("key_"),
                "project": project_of(connection, project, now),
                "name": name,
                "prefix": secret[: len(PREFIX) + SHOWN],
                "salt": salt,
                "hash": _hash(secret, salt),
                "scopes": list(scopes),
                "requests_per_minute": requests_per_minute,
                "tokens_per_minute": tokens_per_minute,
                "created_at": now,
            }
            connection.execute(keys.insert().values(values))
            note(connection, "key.created", values["id"], now, project=values["project"], scopes=list(scopes))
            row = connection.execute(_keys().where(keys.c.id == values["id"])).one()
        return _key(row), secret

    def verify(self, secret: str) -> Key | None:
        """The key with this secret, unless there is none or it was revoked."""
        digest = hashlib.blake2b(secret.encode("utf-8", "replace"), key=self._pepper).digest()
        known = self._right.get(digest)
        if known and known[1] > time.monotonic():
            return self.find(known[0])
        with self.database.read() as connection:
            found = connection.execute(
                _keys().where(keys.c.prefix == secret[: len(PREFIX) + SHOWN], keys.c.revoked_at.is_(None))
            ).all()

        for row in found or [None]:
            salt, expected = (row.salt, row.hash) if row else ("00", "")  # no answer is quicker for a prefix unknown
            if hmac.compare_digest(_hash(secret, salt), expected) and row:
                self._remember(digest, row.id)
                return _key(row)
        return None

    def find(self, key: str) -> Key | None:
        """The key with this id, unless there is none or it was revoked."""
        with self.database.read() as connection:
            row = connection.execute(_keys().where(keys.c.id == key, keys.c.revoked_at.is_(None))).first()
        return _key(row) if row else None

    def listed(self, project: str | None = None) -> list[Key]:
        """All keys, or those of a project (by id), oldest first."""
        query = _keys().order_by(keys.c.created_at)
        with self.database.read() as connection:
            return [
                _key(row)
                for row in connection.execute(query if project is None else query.where(keys.c.project == project))
            ]

    def revoke(self, key: str) -> None:
        """Raises InputError for a key that is not there."""
        with self.database.write() as connection:
            now = self.database.now(connection)
            done = connection.execute(
                keys.update().where(keys.c.id == key, keys.c.revoked_at.is_(None)).values(revoked_at=now)
            )
        if done.rowcount == 0:
            raise InputError("there is no such key in use", where="key", value=key, fix="whet keys list shows them")

    def _remember(self, digest: bytes, key: str) -> None:
        now = time.monotonic()
        self._right = {one: (held, until) for one, (held, until) in self._right.items() if until > now}
        self._right[digest] = key, now + REMEMBERED_SECONDS


def project_of(connection: Connection, name: str, now: float) -> str:
    """The id of a project by name, which is made where it is new."""
    found = connection.execute(select(projects.c.id).where(projects.c.name == name)).scalar()
    if found:
        return str(found)
    made = new_id("proj_")
    connection.execute(projects.insert().values(id=made, name=name, created_at=now))
    return made


def _keys():
    return select(keys, projects.c.name.label("project_name")).join(projects, projects.c.id == keys.c.project)


def _key(row: Row) -> Key:
    return Key(
        row.id,
        row.name,
        row.project,
        row.project_name,
        tuple(row.scopes),
        row.requests_per_minute,
        row.tokens_per_minute,
        row.created_at,
        row.revoked_at,
    )


def _hash(secret: str, salt: str) -> str:
    given = secret.encode("utf-8", "replace")
    return hashlib.scrypt(given, salt=bytes.fromhex(salt), maxmem=64 * 1024 * 1024, **COST).hex()
