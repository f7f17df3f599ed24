"""Keys: their secrets are shown once and kept by nobody."""

from __future__ import annotations

import time

import pytest

from whet.errors import InputError
from whet.server.access import keys as keys_module
from whet.server.access.caller import caller_of
from whet.server.access.keys import KeyRing
from whet.server.database.opening import Database
from whet.server.database.tables import metadata
from whet.server.errors import ApiError


def test_a_key_is_found_by_its_whole_secret_alone(database: Database) -> None:
    ring = KeyRing(database)
    key, secret = ring.create("laptop", "support", ["infer"])

    found = ring.verify(secret)
    assert found == key and found.project_name == "support"
    assert ring.verify(secret[:-1]) is None
    assert ring.verify(secret[:-1] + chr(ord(secret[-1]) ^ 1)) is None
    assert ring.verify(secret + "x") is None
    assert ring.verify("wk-" + "x" * 48) is None
    assert ring.verify("") is None


def test_the_database_holds_no_secret(database: Database) -> None:
    _, secret = KeyRing(database).create("laptop", "support", ["infer"])
    with database.read() as connection:
        dump = "\n".join(str(row) for table in metadata.sorted_tables for row in connection.execute(table.select()))

    assert secret[:11] in dump  # by which it is found
    assert secret[11:] not in dump and secret[12:24] not in dump


def test_a_revoked_key_is_out_at_once_though_it_was_remembered(database: Database) -> None:
    ring, other_server = KeyRing(database), KeyRing(database)
    key, secret = ring.create("laptop", "support", ["infer"])
    assert ring.verify(secret) and ring.verify(secret)

    other_server.revoke(key.id)

    assert ring.verify(secret) is None
    with pytest.raises(InputError, match="no such key"):
        ring.revoke(key.id)


def test_a_known_secret_is_not_hashed_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing(database)
    _, secret = ring.create("laptop", "support", ["infer"])
    hashed = []
    monkeypatch.setattr(
        keys_module, "_hash", lambda *given: hashed.append(given) or keys_module.hashlib.md5().hexdigest()
    )
    assert ring.verify(secret) is None and len(hashed) == 1
    monkeypatch.undo()

    assert ring.verify(secret)
    monkeypatch.setattr(keys_module, "_hash", lambda *given: hashed.append(given))
    assert ring.verify(secret) and len(hashed) == 1

    later = time.monotonic() + keys_module.REMEMBERED_SECONDS + 1
    monkeypatch.setattr(keys_module.time, "monotonic", lambda: later)
    monkeypatch.setattr(keys_module, "_hash", lambda *given: hashed.append(given) or "00")
    assert ring.verify(secret) is None and len(hashed) == 2


def test_an_unknown_prefix_costs_as_much_as_a_known_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time of an answer tells which prefixes are there."""
    ring = KeyRing(database)
    ring.create("laptop", "support", ["infer"])
    hashed = []
    monkeypatch.setattr(keys_module, "_hash", lambda *given: hashed.append(given) or "00")
    ring.verify("wk-nobodysxxx")
    assert len(hashed) == 1


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic abc", "wk-abc", "Bearer wk-abc"])
def test_a_header_without_a_known_key_is_401(database: Database, header: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        caller_of(header, KeyRing(database))
    assert refused.value.status == 401


def test_a_project_is_made_once(database: Database) -> None:
    ring = KeyRing(database)
    one, _ = ring.create("a", "support", ["infer"])
    other, _ = ring.create("b", "support", ["train"])
    third, _ = ring.create("c", "sales", ["train"])

    assert one.project == other.project != third.project
    assert [key.name for key in ring.listed(one.project)] == ["a", "b"]
    assert len(ring.listed()) == 3
