"""What is kept is bounded: by age, by number and by bytes, for each project by itself."""

from __future__ import annotations

import pytest

from tests.server.traces.made import HOUR, keep, kept, project, prove_totals, record
from whet.server.database.opening import Database
from whet.server.traces import keeping
from whet.server.traces.feedback import NewFeedback, add_feedback
from whet.server.traces.keeping import Retention, prune
from whet.server.traces.record import ROW_BYTES

ALL = Retention(1e9, 1_000_000, 1 << 40)


def pruned(database: Database, **limits: float) -> int:
    """Steps that it took."""
    retention = Retention(**{"seconds": ALL.seconds, "traces": ALL.traces, "bytes": ALL.bytes} | limits)  # type: ignore[arg-type]
    steps = 1
    while prune(database, retention):
        steps += 1
    return steps


def test_the_oldest_go_by_age_number_and_bytes(database: Database) -> None:
    owner = project(database)
    keep(database, [record(f"t{number}", owner, ago=(10 - number) * HOUR) for number in range(10)])
    assert pruned(database) == 1 and len(kept(database, owner)) == 10
    pruned(database, seconds=8.5 * HOUR)
    assert kept(database, owner) == [f"t{number}" for number in range(2, 10)]
    pruned(database, traces=5)
    assert kept(database, owner) == [f"t{number}" for number in range(5, 10)]
    pruned(database, bytes=3 * ROW_BYTES)
    assert kept(database, owner) == ["t7", "t8", "t9"]
    prove_totals(database)


def test_a_project_with_many_traces_pushes_none_of_another_out(database: Database) -> None:
    busy, quiet = project(database, "busy"), project(database, "quiet")
    keep(database, [record("q", quiet, ago=9 * HOUR)])
    keep(database, [record(f"b{number}", busy, ago=number) for number in range(20)])
    pruned(database, traces=10)
    assert kept(database, quiet) == ["q"] and len(kept(database, busy)) == 10


def test_it_goes_in_small_steps(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "STEP", 7)
    owner = project(database)
    keep(database, [record(f"t{number}", owner, ago=HOUR) for number in range(30)])
    assert pruned(database, seconds=60.0) == 5 and kept(database, owner) == []
    prove_totals(database)


def test_feedback_goes_with_its_trace_and_counts_as_bytes(database: Database) -> None:
    owner = project(database)
    keep(database, [record("old", owner, ago=HOUR), record("new", owner)])
    add_feedback(database, owner, "old", NewFeedback(comment="x" * 5000), "first")
    prove_totals(database)
    pruned(database, bytes=5000)
    assert kept(database, owner) == ["new"]
    prove_totals(database)
    assert add_feedback(database, owner, "new", NewFeedback(good=True), "first")["trace"] == "new"
