"""Traces read from a service's folder, in order and in little memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.server.traces.made import keep, project, record
from whet.errors import InputError
from whet.monitoring.trace import Trace
from whet.server.database.opening import Database, open_database
from whet.server.database.paging import Order
from whet.server.database.tables import traces
from whet.server.traces import reading
from whet.server.traces.feedback import NewFeedback, add_feedback
from whet.server.traces.keeping import insert_traces
from whet.server.traces.opening import open_traces
from whet.server.traces.reading import TraceFilter, as_json, page_of_traces, read_traces


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """25 traces of a project, one a minute, and one of another; the newest is t24."""
    database = open_database(f"sqlite:///{tmp_path / 'whet.sqlite'}")
    owner, other = project(database), project(database, "other")
    rows = [
        record(f"t{number:02}", owner, ago=60.0 * (24 - number), model=("nano", "desk")[number % 2])
        for number in range(25)
    ]
    keep(database, [*rows, record("theirs", other)])
    add_feedback(database, owner, "t03", NewFeedback(label="billing"), None)
    yield tmp_path
    database.close()


def names(found: Iterator[Trace]) -> list[str]:
    return [trace.id for trace in found]


def test_all_come_oldest_first_whatever_the_size_of_a_piece(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for piece in (1, 5, 24, 25, 26):
        monkeypatch.setattr(reading, "PIECE", piece)
        assert names(open_traces(home)) == [f"t{number:02}" for number in range(25)]
    assert names(open_traces(home, newest=3)) == ["t22", "t23", "t24"]
    assert names(open_traces(home, newest=100)) == names(open_traces(home))
    assert names(open_traces(home, model="desk", newest=2)) == ["t21", "t23"]
    assert names(open_traces(home, "other")) == ["theirs"]
    assert [one.feedback[0].label for one in open_traces(home) if one.feedback] == ["billing"]


def test_a_time_range_has_its_beginning_and_not_its_end(home: Path) -> None:
    at = {trace.id: trace.at for trace in open_traces(home)}
    assert names(open_traces(home, since=at["t05"], until=at["t08"])) == ["t05", "t06", "t07"]


def test_one_piece_is_read_ahead_and_no_more(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 5)
    made: list[str] = []
    whole = reading._trace
    monkeypatch.setattr(reading, "_trace", lambda row, said: made.append(row.id) or whole(row, said))
    read = open_traces(home)
    next(read)
    assert len(made) == 5
    read.close()  # type: ignore[attr-defined]


def test_what_is_no_service_is_said_before_the_first_trace(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(InputError, match="no service has its database here"):
        open_traces(tmp_path_factory.mktemp("empty"))
    with pytest.raises(InputError, match="no such project"):
        open_traces(home, "defualt")
    old = tmp_path_factory.mktemp("old")
    (old / "whet.sqlite").touch()
    with pytest.raises(InputError, match="kept no traces"):
        open_traces(old)


def test_a_url_is_read_as_a_folder_is(database: Database, url: str) -> None:
    owner = project(database)
    keep(database, [record("t1", owner), record("t0", owner, ago=9.0)])
    assert names(open_traces(url)) == ["t0", "t1"]
    assert [one.id for one in read_traces(database, TraceFilter(owner), 1)] == ["t1"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_goes_on_where_the_last_ended_also_among_traces_of_one_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    owner = project(database)
    rows = [record(f"t{number}", owner).row(False, 0.0) | {"at": 10.0 + number // 4} for number in range(12)]
    with database.write() as connection:
        insert_traces(connection, rows)
    whole = [f"t{number}" for number in (*range(8), 10, 11, 8, 9)]  # within a moment by their ids

    seen, after, more = [], None, True
    while more:
        page, more = page_of_traces(database, TraceFilter(owner, since=10.0, until=13.0), 3, order, after)
        seen += [trace.id for trace in page]
        after = seen[-1]
    assert seen == (whole if order == "asc" else whole[::-1])
    monkeypatch.setattr(reading, "PIECE", 3)
    assert names(read_traces(database, TraceFilter(owner, since=10.0))) == whole
    assert names(read_traces(database, TraceFilter(owner), newest=5)) == whole[-5:]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (TraceFilter("p"), "traces_of_project"),
        (TraceFilter("p", since=1.0, until=2.0), "traces_of_project"),
        (TraceFilter("p", "nano", since=1.0), "traces_of_model"),
        (TraceFilter("p", workload="w"), "traces_of_workload"),
        (TraceFilter("p", client="c"), "traces_of_client"),
        (TraceFilter("p", with_feedback=True), "traces_with_feedback"),
    ],
)
def test_each_filter_has_its_index(home: Path, wanted: TraceFilter, index: str) -> None:
    """SQLite has no statistics here: it must be told by the shape of the index alone."""
    database = open_database(f"sqlite:///{home / 'whet.sqlite'}")
    query = select(traces.c.id).where(wanted.clause()).order_by(traces.c.at.desc(), traces.c.id.desc()).limit(5)
    with database.read() as connection:
        compiled = query.compile(connection)
        lines = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", tuple(compiled.params.values())).all()
    database.close()
    (line,) = [line[3] for line in lines]  # one line: nothing is sorted afterwards
    assert f"INDEX {index} (project=?" in line


def test_what_clients_get_is_the_dataclass(database: Database) -> None:
    owner = project(database)
    keep(database, [record("t1", owner, messages=[{"role": "user", "content": "hi"}])], texts=True)
    (trace,) = read_traces(database, TraceFilter(owner))
    shown = json.loads(json.dumps(as_json(trace)))
    assert Trace(**shown | {"feedback": ()}) == trace and trace.asked == "hi"
