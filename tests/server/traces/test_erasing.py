"""One call erases all of a user: their traces, what was said of them, and what they said."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from tests.server.traces.made import keep, kept, project, prove_totals, record
from whet.server.database.opening import Database, open_database
from whet.server.database.tables import audit, feedback
from whet.server.traces import erasing
from whet.server.traces.erasing import Erased, erase_client
from whet.server.traces.feedback import NewFeedback, add_feedback
from whet.server.traces.redacting import pseudonym

ANNA = "anna@example.com"


def test_everything_of_a_user_goes_and_nothing_else(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "STEP", 3)
    owner, other = project(database), project(database, "other")
    anna = pseudonym(ANNA, owner)
    assert anna != pseudonym(ANNA, other) and ANNA not in anna
    keep(database, [record(f"a{number}", owner, client=anna) for number in range(7)])
    keep(database, [record("b", owner, client="ben"), record("x", owner)])
    keep(database, [record("o", other, client=pseudonym(ANNA, other))])
    add_feedback(database, owner, "a1", NewFeedback(good=True, author="ben"), None)
    add_feedback(database, owner, "b", NewFeedback(good=False, author=ANNA), None)
    add_feedback(database, owner, "b", NewFeedback(good=True, author="ben"), None)

    assert erase_client(database, owner, ANNA, "key_1") == Erased(7, 2)
    assert set(kept(database, owner)) == {"b", "x"} and kept(database, other) == ["o"]
    prove_totals(database)
    with database.read() as connection:
        assert list(connection.execute(select(feedback.c.author)).scalars()) == ["ben"]
        lines = connection.execute(select(audit).where(audit.c.act == "traces.erased")).all()
    assert sum(line.facts["traces"] for line in lines) == 7 and sum(line.facts["feedback"] for line in lines) == 2
    assert {line.project for line in lines} == {owner} and {line.facts["by"] for line in lines} == {"key_1"}
    assert not any(ANNA in str(line) for line in lines)


def test_that_nothing_was_there_is_in_the_book_too(database: Database) -> None:
    owner = project(database)
    assert erase_client(database, owner, "nobody", None) == Erased(0, 0)
    with database.read() as connection:
        (line,) = connection.execute(select(audit).where(audit.c.act == "traces.erased")).all()
    assert line.facts["traces"] == 0


def test_the_texts_are_no_longer_in_the_file(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'whet.sqlite'}")
    owner = project(database)
    said = [{"role": "user", "content": "the heron sleeps at noon"}]
    keep(database, [record("h", owner, client="ben", messages=said), record("other", owner)], texts=True)
    files = [tmp_path / "whet.sqlite", tmp_path / "whet.sqlite-wal"]
    assert any(b"heron sleeps" in file.read_bytes() for file in files)
    erase_client(database, owner, "ben", None)
    assert not any(b"heron sleeps" in file.read_bytes() for file in files)
    database.close()
