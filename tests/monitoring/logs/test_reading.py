"""A log is told by its content, read whole, and what cannot be read is counted or refused with its place."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.logs import samples
from tests.monitoring.logs.samples import write_lines
from whet.errors import DataError
from whet.monitoring.logs.log_file import _microseconds
from whet.monitoring.logs.reading import FORMS, LogStream, read_log

TIMES = ((1_790_000_500, "late"), ("2026-09-21T14:13:20Z", "early"), (None, "timeless"))
LOGS: dict[str, Callable[[], Any]] = {
    "openai": samples.flywheel,
    "litellm": samples.litellm,
    "langfuse": samples.langfuse,
    "phoenix": samples.phoenix,
    "otel": samples.otel,
    "vllm": samples.vllm,
}


@pytest.fixture(params=LOGS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


def write(path: Path, form: str) -> Path:
    content = LOGS[form]()
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        write_lines(path, content)
    os.utime(path, (samples.BEGIN + 60, samples.BEGIN + 60))  # the log of vLLM names no year
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# ---- every format tells the same


def test_each_format_is_told_by_its_content_and_tells_of_the_same_requests(form: str, tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "a.bin", form))
    first, second, third = log.traces

    assert (log.form, log.unread, log.first_unread) == (form, 0, "")
    assert first.where.startswith("a.bin:")
    assert (first.model, first.at, first.asked) == ("tickets", samples.BEGIN, "Where is order 7?")
    assert (first.answer, first.finish_reason, first.error) == (
        samples.ANSWER,
        "stop" if form != "langfuse" else None,
        None,
    )
    assert first.messages[0] == samples.SYSTEM
    assert first.answer_tokens == 6
    if form != "otel":
        assert first.schema == samples.SCHEMA
    if form not in ("vllm", "openai"):
        assert (first.client, first.conversation, first.seconds, first.first_token_seconds) == (
            "u-1",
            "talk-1",
            2.5,
            0.25,
        )
        assert first.prompt_tokens == 31
    if form != "vllm":
        assert (second.tools, second.tool_calls, second.answer) == ([samples.TOOL], [samples.CALL], None)
        assert (third.error, third.answer) == ("RateLimitError", None)


def test_a_gzip_file_is_read_whatever_its_name(form: str, tmp_path: Path) -> None:
    plain = write(tmp_path / "a.log", form)
    packed = tmp_path / "b.log"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    os.utime(packed, (samples.BEGIN + 60, samples.BEGIN + 60))

    assert [trace.answer for trace in read_log(packed).traces] == [trace.answer for trace in read_log(plain).traces]


def test_marks_and_line_ends_of_windows_change_nothing(form: str, tmp_path: Path) -> None:
    plain = write(tmp_path / "a.log", form)
    windows = tmp_path / "b.log"
    windows.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    os.utime(windows, (samples.BEGIN + 60, samples.BEGIN + 60))

    log = read_log(windows)
    assert [trace.answer for trace in log.traces] == [trace.answer for trace in read_log(plain).traces]
    assert log.unread == 0


@pytest.mark.parametrize("form", ["openai", "litellm", "langfuse", "phoenix", "otel"])
@pytest.mark.parametrize("shape", ["list", "list in lines", "envelope", "list a line"])
def test_records_may_stand_in_one_value(form: str, shape: str, tmp_path: Path) -> None:
    content = LOGS[form]()
    shapes = {
        "list": json.dumps(content, indent=2),
        "list in lines": "[\n" + ",\n".join(map(json.dumps, content)) + "\n]\n",
        "envelope": json.dumps({"data": content, "meta": {"page": 1}}),
        "list a line": json.dumps(content) + "\n" + json.dumps(content) + "\n",
    }
    path = tmp_path / "export.json"
    path.write_text(shapes[shape], encoding="utf-8")

    log = read_log(path)
    assert (log.form, log.unread) == (form, 0)
    assert [trace.answer for trace in log.traces][0] == samples.ANSWER
    assert len(log.traces) == (6 if shape == "list a line" and form != "otel" else 3)
    assert "#" in log.traces[0].where


def test_parquet_is_read(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    row = samples.phoenix()[0] | {"start_time": None, "end_time": None}
    table = pa.Table.from_pylist([row])
    for name, nanoseconds in (("start_time", 10**9), ("end_time", 3_500_000_001)):
        times = pa.array([int(samples.BEGIN) * 10**9 + nanoseconds - 10**9], pa.timestamp("ns", tz="UTC"))
        table = table.set_column(table.column_names.index(name), name, times)
    pq.write_table(table, tmp_path / "spans.parquet")
    assert _microseconds(table.to_batches()[0]).schema.field("end_time").type == pa.timestamp("us", tz="UTC")

    (trace,) = read_log(tmp_path / "spans.parquet").traces
    assert (trace.answer, trace.at, trace.where) == (samples.ANSWER, samples.BEGIN, "spans.parquet#1")
    assert trace.seconds == pytest.approx(2.5, abs=1e-6)
    assert trace.asked == "Where is order 7?"


def test_traces_are_in_the_order_of_time_where_all_have_one(tmp_path: Path) -> None:
    late, early, timeless = (samples.flywheel()[0] | {"timestamp": time, "id": name} for time, name in TIMES)
    same = early | {"id": "same"}
    log = read_log(write_lines(tmp_path / "a.jsonl", [late, early, same]))
    assert [trace.id for trace in log.traces] == ["early", "same", "late"]

    timeless["response"] = None
    log = read_log(write_lines(tmp_path / "a.jsonl", [late, timeless, early]))
    assert [trace.id for trace in log.traces] == ["late", "timeless", "early"]


# ---- what cannot be read


def test_a_last_line_that_is_cut_off_is_counted_and_no_reason_to_refuse(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", samples.flywheel())
    path.write_bytes(path.read_bytes()[:-40])

    log = read_log(path)
    assert (len(log.traces), log.unread) == (2, 1)
    assert log.first_unread.startswith("a.jsonl:3: not valid JSON")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{broken", "not valid JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"request": "a\0b"}', "not valid JSON"),
        (b'{"request": {"messages": 7}, "response": {}}', "messages are int, not a list"),
        (b'{"request": {"messages": [{"content": "no role"}]}, "response": {}}', "messages[0] is no message"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"request": ' + b"9" * 5000 + b"}", "a number of too many digits"),
        (b'"a text"', "a JSON value that is no object"),
        (b'{"something": "else"}', "not a record of this form"),
    ],
)
def test_up_to_a_tenth_of_the_lines_may_be_unreadable(line: bytes, why: str, tmp_path: Path) -> None:
    good = json.dumps(samples.flywheel()[0]).encode() + b"\n"
    path = tmp_path / "a.jsonl"
    path.write_bytes(good * 5 + line + b"\n\n" + good * 5)
    log = read_log(path)
    assert (len(log.traces), log.unread) == (10, 1)
    assert log.first_unread.startswith("a.jsonl:6: ") and why in log.first_unread

    path.write_bytes(good * 5 + line + b"\n" + good * 2)
    with pytest.raises(DataError) as caught:
        read_log(path)
    assert "1 of 8 records cannot be read; the first: a.jsonl:6: " in str(caught.value)
    assert why in str(caught.value)


def test_zeros_that_a_lost_write_left_are_no_content(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", samples.flywheel())
    head, tail = path.read_bytes().split(b"\n", 1)
    path.write_bytes(head + b"\n" + b"\0" * 4096 + tail + b"\0" * 512)

    log = read_log(path)
    assert (len(log.traces), log.unread) == (3, 0)


def test_numbers_that_are_none_are_nothing_and_do_not_lose_the_line(tmp_path: Path) -> None:
    row = json.dumps(samples.litellm()[0])
    for old, new in (
        ('"response_cost": 0.0001', '"response_cost": NaN'),
        ('"prompt_tokens": 31', '"prompt_tokens": -Infinity'),
        ('"completion_tokens": 6', '"completion_tokens": 1e400'),
        (f'"endTime": {samples.BEGIN + 2.5}', '"endTime": ' + "9" * 400),
    ):
        assert old in row
        row = row.replace(old, new)
    (tmp_path / "a.jsonl").write_text(row)

    (trace,) = read_log(tmp_path / "a.jsonl").traces
    assert (trace.answer, trace.seconds, trace.at) == (samples.ANSWER, None, samples.BEGIN)
    assert (trace.prompt_tokens, trace.answer_tokens) == (None, None)


def test_numbers_that_are_none_are_null_in_what_is_kept(tmp_path: Path) -> None:
    row = json.dumps({"messages": [samples.QUESTION], "tools": [{"type": "function", "limit": float("nan")}]})
    (tmp_path / "a.jsonl").write_text(row)
    assert read_log(tmp_path / "a.jsonl").traces[0].tools == [{"type": "function", "limit": None}]


def test_half_of_a_character_is_marked_in_its_place(tmp_path: Path) -> None:
    row = json.dumps({"messages": [{"role": "user", "content": "cut \ud83d"}, {"role": "assistant", "content": "yes"}]})
    (tmp_path / "a.jsonl").write_text(row)
    (trace,) = read_log(tmp_path / "a.jsonl").traces
    assert trace.asked == "cut ?"


# ---- what is refused


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_log(path)
    return str(caught.value)


def test_what_is_no_log_is_refused_with_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert "this is a folder" in refused(tmp_path)
    assert "there is no such file" in refused(path)
    for content, what in (
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf \r\n\r\n", "the file is empty"),
        (bytes(range(256)) * 40, "binary"),
        (b"PK\x03\x04" + b"words " * 90, "binary"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b"PAR1 and no more", "not a readable Parquet file"),
        (gzip.compress(b"{}" * 5000)[:-12], "the gzip file is damaged"),
        (b'{"data": [\n{"messages": [', "one JSON value that cannot be read"),
    ):
        path.write_bytes(content)
        assert what in refused(path), content[:20]


def test_an_unknown_format_is_refused_with_what_was_found_and_what_is_read(tmp_path: Path) -> None:
    words = refused(write_lines(tmp_path / "a.jsonl", [{"level": "info", "msg": "started"}]))
    assert "a.jsonl:1" in words and "'level', 'msg'" in words
    assert all(f"({form.name})" in words for form in FORMS)

    (tmp_path / "b.log").write_text("INFO 09-21 14:13:20 nothing here tells of a request\n")
    assert "its first record is text" in refused(tmp_path / "b.log")


def test_a_file_of_two_formats_is_refused_where_the_second_begins(tmp_path: Path) -> None:
    words = refused(write_lines(tmp_path / "a.jsonl", [*samples.litellm(), samples.langfuse()[1]]))
    assert "a.jsonl:4: a record of another format (langfuse) in a log of the format litellm" in words


def test_a_log_without_a_request_to_a_model_is_refused(tmp_path: Path) -> None:
    http = samples.otlp(samples.span("b1", samples.attributes(http__request__method="POST")))
    assert "holds no request to a language model" in refused(write_lines(tmp_path / "a.jsonl", [http]))


def test_each_record_belongs_to_one_format_alone() -> None:
    for name, content in LOGS.items():
        for row in content() if name != "vllm" else ():
            knowing = [form.name for form in FORMS if form.knows(row)]
            assert knowing[:1] == [name] and set(knowing) <= {name, "openai"}, row


# ---- large files


@pytest.mark.parametrize("form", ["openai", "vllm"])
def test_a_stream_holds_one_trace_at_a_time(form: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    long = "order " * 500
    if form == "openai":
        line = (
            json.dumps({"messages": [{"role": "user", "content": long}, {"role": "assistant", "content": "yes"}]})
            + "\n"
        )
        text = line * 1200
    else:
        asked = "Received request cmpl-{0}-0: prompt: {1!r}, params: SamplingParams(n=1), lora_request: None."
        answered = "Generated response cmpl-{0}: output: 'yes', output_token_ids: None, finish_reason: stop"
        pairs = (vllm_pair(asked.format(n, long), answered.format(n)) for n in range(1200))
        text = "".join(pairs)
    path.write_text(text)
    assert path.stat().st_size > 3_600_000
    del text

    tracemalloc.start()
    try:
        number = sum(trace.answer == "yes" and len(trace.asked) == 3000 for trace in LogStream(path))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert number == 1200
    assert most < 500_000


def vllm_pair(asked: str, answered: str) -> str:
    return samples.vllm_line("INFO", 20, asked) + samples.vllm_line("INFO", 21, answered)


def test_times_of_vllm_are_of_the_year_in_which_the_file_was_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", "vllm")
    new_year = datetime.fromisoformat("2027-01-02T00:00:00Z").timestamp()
    os.utime(path, (new_year, new_year))
    assert read_log(path).traces[0].at == samples.BEGIN
