"""What people say of an answer is kept beside what others said, once each, redacted, and in their project alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.traces.made import keep, project, prove_totals, record
from whet.monitoring.trace import Feedback, Trace
from whet.server.database.opening import Database
from whet.server.errors import ApiError
from whet.server.traces.feedback import MOST_OF_TRACE, NewFeedback, add_feedback
from whet.server.traces.reading import TraceFilter, find_trace, page_of_traces


@pytest.fixture
def owner(database: Database) -> Iterator[str]:
    made = project(database)
    keep(database, [record("t1", made), record("t2", made, ago=5.0)])
    yield made
    prove_totals(database)


def trace_of(database: Database, owner: str, name: str = "t1") -> Trace:
    with database.read() as connection:
        return find_trace(connection, owner, name)


def test_those_who_disagree_are_both_kept(database: Database, owner: str) -> None:
    add_feedback(database, owner, "t1", NewFeedback(good=True, author="anna"), None)
    add_feedback(database, owner, "t1", NewFeedback(False, "At nine.", "hours", "It was wrong.", "ben"), None)
    said = trace_of(database, owner).feedback
    assert [(one.good, one.by) for one in said] == [(True, "anna"), (False, "ben")]
    assert said[1] == Feedback(False, "At nine.", "hours", "It was wrong.", "ben", said[1].at)

    wanted = TraceFilter(owner, with_feedback=True)
    assert [one.id for one in page_of_traces(database, wanted, 10, "desc", None)[0]] == ["t1"]
    without = TraceFilter(owner, with_feedback=False)
    assert [one.id for one in page_of_traces(database, without, 10, "desc", None)[0]] == ["t2"]


def test_a_key_adds_once_also_when_it_comes_many_times_at_once(database: Database, owner: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        given = NewFeedback(comment="Write to anna@example.com", author="anna@example.com")
        shown = list(pool.map(lambda _: add_feedback(database, owner, "t1", given, "k1"), range(8)))
    assert all(one == shown[0] for one in shown) and len(trace_of(database, owner).feedback) == 1
    with pytest.raises(ApiError, match="another"):
        add_feedback(database, owner, "t1", NewFeedback(good=True), "k1")
    with pytest.raises(ApiError, match="another"):
        add_feedback(database, owner, "t2", given, "k1")
    assert add_feedback(database, owner, "t2", given, "k2")["id"] != shown[0]["id"]


def test_personal_data_is_taken_out(database: Database, owner: str) -> None:
    given = NewFeedback(None, "Ask anna@example.com", "+44 20 7946 0958", "It is anna@example.com", "anna@example.com")
    add_feedback(database, owner, "t1", given, None)
    (said,) = trace_of(database, owner).feedback
    assert said.corrected == "Ask [EMAIL]" and said.comment == "It is [EMAIL]" and said.label == "[PHONE]"
    assert said.by is not None and said.by.startswith("hashed-")


def test_a_trace_of_another_project_is_one_that_is_not_there(database: Database, owner: str) -> None:
    other = project(database, "other")
    for name in ("t1", "nobodys", "\x00"):
        with pytest.raises(ApiError, match="No such trace") as refused:
            add_feedback(database, other, name, NewFeedback(good=True), None)
        assert refused.value.status == 404
    assert not trace_of(database, owner).feedback


def test_a_trace_takes_so_much_and_no_more(database: Database, owner: str) -> None:
    for _ in range(MOST_OF_TRACE):
        add_feedback(database, owner, "t1", NewFeedback(good=True), None)
    with pytest.raises(ApiError, match="no more"):
        add_feedback(database, owner, "t1", NewFeedback(good=True), None)
