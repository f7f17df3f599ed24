"""What is read of a trial, in either database: of one project, by side, in the order in which it was said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.server.traces.made import keep, project, record
from whet.errors import InputError
from whet.server.database.opening import Database
from whet.server.traces.asking import TrialSide
from whet.server.traces.feedback import NewFeedback, add_feedback
from whet.server.traces.opening import open_traces
from whet.server.traces.record import TraceRecord
from whet.server.traffic.seen import read_seen


def tried(
    name: str, owner: str, side: str, trial: str = "t", shadow_of: str | None = None, **facts: Any
) -> TraceRecord:
    made = record(name, owner, **facts)
    made.asking = replace(made.asking, tried=TrialSide(trial, side, shadow_of))
    return made


def texts(answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "When?"}], "answer": answer}


def test_requests_and_feedback_are_those_of_the_trial(database: Database) -> None:
    owner, other = project(database), project(database, "elsewhere")
    told = [
        tried("a", owner, "live", client="anna", **texts("At nine.")),
        tried("b", owner, "new", client="ben", **texts("At ten.")),
        tried("c", owner, "new", client="ben", **texts("At ten.")),
        tried("d", owner, "new", error="timeout"),
        tried("e", owner, "instead", client="cem", **texts("At nine.")),
        tried("f", owner, "shadow", shadow_of="a", client="anna", seconds=2.0, **texts("at nine.")),
        tried("g", owner, "new", trial="another", client="dora"),
        tried("h", other, "new", client="ben"),
        record("i", owner, client="ben"),
    ]
    keep(database, told, texts=True)
    for name, opinion in (
        ("b", NewFeedback(corrected="At nine.")),
        ("a", NewFeedback(good=True)),
        ("e", NewFeedback(good=True)),
        ("g", NewFeedback(good=False)),
    ):
        add_feedback(database, owner, name, opinion, None)

    seen = read_seen(database, owner, "t")
    live, new = seen.sides["live"], seen.sides["new"]
    assert (live.requests, live.clients, live.unnamed, live.failed) == (1, 1, 0, 0)
    assert (new.requests, new.clients, new.unnamed, new.failed) == (3, 1, 1, 1) and seen.instead == 1
    said = [(one.side, one.client, one.answer) for one in seen.said]
    assert said == [("new", "ben", "At ten."), ("live", "anna", None)]
    assert seen.said[0].feedback.corrected == "At nine." and seen.said[1].feedback.good is True
    (shadow,) = seen.shadows
    assert (shadow.told, shadow.kept, shadow.kept_seconds, shadow.failed) == ("At nine.", "at nine.", 2.0, False)
    assert read_seen(database, owner, "nobodys").said == []


def test_a_database_of_an_earlier_version_is_told_as_one(database: Database, url: str) -> None:
    project(database)
    with database.write() as connection:
        connection.exec_driver_sql("DROP INDEX traces_of_trial")
        connection.exec_driver_sql("ALTER TABLE traces DROP COLUMN trial")
    with pytest.raises(InputError, match="earlier version of Whet"):
        open_traces(url)
