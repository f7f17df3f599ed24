"""Traces are written beside the answers: none waits, what waits is bounded, and what is lost is counted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from tests.server.traces.made import keep, kept, project, record
from whet.server.database.opening import Database, open_database
from whet.server.metrics import Metrics
from whet.server.traces import writer as writing
from whet.server.traces.keeping import Retention
from whet.server.traces.record import MOST_CONTENT
from whet.server.traces.writer import TraceWriter

SECRET = "the heron sleeps"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'whet.sqlite'}")
    yield opened
    opened.close()


def writer_of(database: Database, *, texts: bool = False, most: int = 1000) -> TraceWriter:
    return TraceWriter(database, Metrics(), Retention(1e9, most, 1 << 40), texts)


def count(writer: TraceWriter, name: str, **labels: str) -> float:
    return writer.metrics.registry.get_sample_value(f"whet:{name}_total", labels) or 0.0


def test_nothing_waits_for_a_database_that_is_busy(home: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MOST_WAITING", 20)
    owner, writer = project(home), writer_of(home)
    busy, free = threading.Event(), threading.Event()

    def hold() -> None:
        with home.write():
            busy.set()
            free.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert busy.wait(10)
    began = time.monotonic()
    for number in range(writing.BATCH + 100):
        writer.put(record(f"t{number}", owner))
    took = time.monotonic() - began
    free.set()
    holder.join()
    writer.close()
    assert took < 5  # the database was closed to it all the while: it would have waited for 30 s
    lost = count(writer, "traces_lost", reason="queue_full")
    assert lost >= 60 and count(writer, "traces_kept") == len(kept(home, owner)) == writing.BATCH + 100 - lost


def test_the_texts_that_wait_are_bounded(home: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MOST_CHARACTERS", 100)
    owner, writer = project(home), writer_of(home)
    writer.put(record("large", owner, messages=[{"role": "user", "content": "x" * 200}]))
    writer.put(record("small", owner, messages=[{"role": "user", "content": "x" * 20}]))
    writer.close()
    assert kept(home, owner) == ["small"] and count(writer, "traces_lost", reason="queue_full") == 1


def test_what_was_put_in_is_there_after_a_flush_and_after_the_end(home: Database) -> None:
    owner, writer = project(home), writer_of(home)
    for number in range(3):
        writer.put(record(f"a{number}", owner))
    writer.flush(10)
    assert len(kept(home, owner)) == 3
    writer.put(record("last", owner))
    writer.close()
    assert len(kept(home, owner)) == 4
    writer.put(record("late", owner))
    assert count(writer, "traces_lost", reason="stopping") == 1


def test_what_cannot_be_written_is_lost_and_its_texts_are_not_in_the_log(
    home: Database, caplog: pytest.LogCaptureFixture
) -> None:
    owner, writer = project(home), writer_of(home, texts=True)
    said: Any = [{"role": "user", "content": SECRET}]
    with caplog.at_level(logging.DEBUG):
        keep(home, [record("t1", owner)])
        writer.put(record("t1", owner, messages=said))
        writer.flush(10)
        writer.put(record("t2", owner, messages=said))
        writer.close()
    assert kept(home, owner) == ["t1", "t2"] and count(writer, "traces_lost", reason="not_written") == 1
    assert "IntegrityError" in caplog.text and SECRET not in caplog.text


def test_errors_of_the_database_name_no_values(home: Database) -> None:
    said = record("t1", project(home), messages=[{"role": "user", "content": SECRET}])
    keep(home, [said], texts=True)
    with pytest.raises(IntegrityError, match="UNIQUE") as refused:
        keep(home, [said], texts=True)
    assert SECRET not in str(refused.value)


def test_the_writer_removes_what_is_too_much(home: Database) -> None:
    owner = project(home)
    keep(home, [record(f"old{number}", owner, ago=60.0) for number in range(40)])
    writer = writer_of(home, most=10)
    writer.put(record("new", owner))
    writer.close()
    assert len(kept(home, owner)) == 10 and kept(home, owner)[-1] == "new"


def test_a_text_that_is_too_long_is_left_out_and_counted(home: Database) -> None:
    owner, writer = project(home), writer_of(home, texts=True)
    writer.put(record("long", owner, messages=[{"role": "user", "content": "x " * MOST_CONTENT}]))
    writer.close()
    assert kept(home, owner) == ["long"] and count(writer, "trace_contents_lost") == 1
