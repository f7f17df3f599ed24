"""A line, a field or a gzip file far larger than any text is refused before it fills the memory."""

from __future__ import annotations

import gzip
import json
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from whet.data.read import size_limits as bounds
from whet.data.read.source import read_source
from whet.errors import DataError

ROW = json.dumps({"prompt": "a", "completion": "b"}) + "\n"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LARGEST_LINE", 1 << 20)
    monkeypatch.setattr(bounds, "SMALL", 1 << 20)


def bomb(path: Path, line_end: bytes, megabytes: int) -> None:
    with gzip.open(path, "wb") as file:
        for _ in range(megabytes):
            file.write(b" " * ((1 << 20) - 1) + line_end)


@pytest.mark.parametrize(
    ("name", "line_end"),
    [("a.jsonl.gz", b" "), ("a.jsonl.gz", b"\n"), ("a.json.gz", b"\n"), ("a.csv.gz", b" "), ("a.txt.gz", b"\n")],
)
def test_a_gzip_file_that_is_all_air_is_refused(tmp_path: Path, name: str, line_end: bytes, small: None) -> None:
    bomb(tmp_path / name, line_end, 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=f"(?s)^{name}.*WHET_ANY_SIZE=1"):
        list(read_source(str(tmp_path / name)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10  # kilobytes


def test_a_parquet_file_that_is_all_air_is_refused(tmp_path: Path, small: None) -> None:
    table = pa.table({"prompt": [" " * (1 << 20)] * 10, "completion": ["b"] * 10})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(DataError, match="(?s)^a.parquet: 10 MB would come out.*WHET_ANY_SIZE=1"):
        list(read_source(str(tmp_path / "a.parquet")))


def test_a_parquet_file_within_gzip_is_read(tmp_path: Path) -> None:
    table = pa.table({"prompt": ["a", "b"], "completion": ["b", "c"]})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert [row.value for row in read_source(str(tmp_path / "a.parquet.gz"))] == table.to_pylist()


def test_a_line_that_does_not_end_is_refused_where_it_begins(tmp_path: Path, small: None) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(ROW + '{"prompt": "' + "x" * (3 << 20) + '", "completion": "b"}\n')
    with pytest.raises(DataError, match=r"(?s)a.jsonl:2: the line is longer than 1 MB.*WHET_ANY_SIZE=1"):
        list(read_source(str(path)))


def test_a_quote_that_is_left_open_is_refused_where_it_begins(tmp_path: Path, small: None) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,completion\na,b\n"a,b\n' + "a,b\n" * 400_000)
    with pytest.raises(DataError, match=r"(?s)a.csv:3: a field is longer than 1 MB: is a double quote left open"):
        list(read_source(str(path)))


def test_the_option_that_is_named_lifts_the_bounds(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHET_ANY_SIZE", "1")
    path = tmp_path / "a.jsonl.gz"
    row = json.dumps({"prompt": "x" * (2 << 20), "completion": "b"}) + "\n"
    with gzip.open(path, "wt") as file:
        file.write(row * 5)
    assert len(list(read_source(str(path)))) == 5
