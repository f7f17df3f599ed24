"""A span for each fine-tuning job that ends, on SQLite and Postgres."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import update

from tests.server.made_jobs import add_job
from tests.server.serving import served
from whet.server.database.opening import Database
from whet.server.database.tables import jobs
from whet.server.telemetry.jobs import JobSpans
from whet.server.telemetry.opening import Telemetry, open_telemetry

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLED = {"trace": {"traceparent": f"00-{TRACE}-{CALLER}-01"}}


class Told:
    def __init__(self, database: Database) -> None:
        self.exporter = InMemorySpanExporter()
        telemetry = open_telemetry({}, self.exporter)
        assert telemetry is not None
        self.telemetry: Telemetry = telemetry
        self.spans = JobSpans(telemetry, database)
        self.spans.look()

    def look(self) -> dict[str, ReadableSpan]:
        """All that was told so far, by job."""
        self.spans.look()
        self.telemetry.provider.force_flush()
        found = {str((span.attributes or {})["whet.job.id"]): span for span in self.exporter.get_finished_spans()}
        assert len(found) == len(self.exporter.get_finished_spans()), "a job is told of once"
        return found


def ended(database: Database, name: str, **values: Any) -> float:
    with database.write() as connection:
        now = database.now(connection)
        connection.execute(update(jobs).where(jobs.c.id == name).values(finished_at=now, **values))
    return now


def test_a_job_that_ends_is_a_span_in_the_trace_of_its_creator(database: Database) -> None:
    told = Told(database)
    good, bad = add_job(database, request=CALLED), add_job(database)
    assert told.look() == {}, "neither is over"

    result = {"verdict": "better"}
    at = ended(database, good, state="succeeded", started_at=5.0, fine_tuned_model="ft:nano:x", trained_tokens=7,
               result=result)  # fmt: skip
    ended(database, bad, state="failed", error={"code": "invalid_n_examples", "message": "too few", "param": None})
    told.look()
    spans = told.look()
    assert spans.keys() == {good, bad}

    span = spans[good]
    assert span.name == "fine_tune nano" and span.kind is SpanKind.INTERNAL
    assert span.context is not None and f"{span.context.trace_id:032x}" == TRACE
    assert span.parent is not None and f"{span.parent.span_id:016x}" == CALLER
    assert span.end_time == pytest.approx(at * 1e9, abs=1e6) and span.start_time and span.start_time < span.end_time
    assert [(event.name, event.timestamp) for event in span.events] == [("started", 5_000_000_000)]
    facts = dict(span.attributes or {})
    assert facts["gen_ai.response.model"] == "ft:nano:x" and facts["whet.job.trained_tokens"] == 7
    assert facts["whet.job.verdict"] == "better" and facts["whet.job.status"] == "succeeded"

    failed = spans[bad]
    assert failed.status.status_code is StatusCode.ERROR and failed.parent is None
    assert dict(failed.attributes or {})["error.type"] == "invalid_n_examples"


def test_two_services_tell_of_one_span(database: Database) -> None:
    first, second = Told(database), Told(database)
    name = add_job(database)
    ended(database, name, state="cancelled")
    spans = [told.look()[name].context for told in (first, second)]
    assert spans[0] is not None and spans[0] == spans[1]
    other = add_job(database)
    ended(database, other, state="cancelled")
    assert first.look()[other].context != spans[0]


def test_an_end_that_was_written_late_is_told_of(database: Database) -> None:
    told = Told(database)
    late, early = add_job(database), add_job(database)
    told.spans._since = 0.0
    at = ended(database, early, state="cancelled")
    assert told.look().keys() == {early}
    ended(database, late, state="cancelled")
    with database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == late).values(finished_at=at - 3))
    assert told.look().keys() == {early, late}


def test_who_creates_a_job_over_http_has_its_span_in_the_trace(tmp_path: Any) -> None:
    exporter = InMemorySpanExporter()
    row = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
    with served(tmp_path, models=("nano",), telemetry=open_telemetry({}, exporter)) as made:
        client = made.client()
        file = client.files.create(file=("rows.jsonl", row * 10), purpose="fine-tune")
        headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        job = client.fine_tuning.jobs.create(model="nano", training_file=file.id, extra_headers=headers)
        client.fine_tuning.jobs.cancel(job.id)
    (span,) = exporter.get_finished_spans()
    assert span.name == "fine_tune nano" and span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
