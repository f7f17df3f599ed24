"""Traces read from a service's folder, in order and in little memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.traces.made import keep, project, record
from whet.errors import InputError
from whet.monitoring.trace import Trace
from whet.server.database.opening import Database, open_database
from whet.server.traces import reading
from whet.server.traces.feedback import NewFeedback, add_feedback
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


def test_a_page_goes_on_where_the_last_ended(database: Database) -> None:
    owner = project(database)
    keep(database, [record(f"t{number}", owner, ago=1.0) for number in range(7)])
    seen, after, more = [], None, True
    while more:
        page, more = page_of_traces(database, TraceFilter(owner), 3, "desc", after)
        seen += [trace.id for trace in page]
        after = seen[-1]
    assert sorted(seen) == [f"t{number}" for number in range(7)]


def test_a_line_of_the_export_is_the_dataclass(database: Database) -> None:
    owner = project(database)
    keep(database, [record("t1", owner, messages=[{"role": "user", "content": "hi"}])], texts=True)
    (trace,) = read_traces(database, TraceFilter(owner))
    line = json.loads(json.dumps(as_json(trace)))
    assert Trace(**line | {"feedback": ()}) == trace and trace.asked == "hi"
