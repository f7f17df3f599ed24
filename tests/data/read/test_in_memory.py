"""Rows that a Python program holds become a file: the same rows the same file, and nothing is lost on the way."""

from __future__ import annotations

import datetime
import enum
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whet.data.read.in_memory import holds_rows, written
from whet.data.read.source import read_source
from whet.errors import DataError

ROWS: list[dict[str, Any]] = [
    {"prompt": "Where is order 1?", "completion": "sent", "days": 2.5, "tags": ["a", "b"]},
    {"prompt": "Wo ist Bestellung 2? \u00fc\U0001f600", "completion": "lost", "days": None, "tags": []},
]


class Word(enum.StrEnum):
    SENT = "sent"


def read(path: str) -> list[Any]:
    return [raw.value for raw in read_source(path)]


def tables() -> list[tuple[str, Any]]:
    """The same rows in the forms that packages have for them."""
    pandas, polars, datasets, pyarrow = (
        pytest.importorskip(name) for name in ("pandas", "polars", "datasets", "pyarrow")
    )
    return [
        ("pandas", pandas.DataFrame(ROWS)),
        ("polars", polars.DataFrame(ROWS)),
        ("polars, not read yet", polars.DataFrame(ROWS).lazy()),
        ("datasets", datasets.Dataset.from_list(ROWS)),
        ("arrow", pyarrow.Table.from_pylist(ROWS)),
        ("a generator", (row for row in ROWS)),
        ("columns", {name: [row[name] for row in ROWS] for name in ROWS[0]}),
        ("pandas with numbered rows elsewhere", pandas.DataFrame(ROWS, index=[7, 3])),
    ]


def test_the_same_rows_give_the_same_file_whatever_holds_them(tmp_path: Path) -> None:
    path = written(ROWS, tmp_path)
    assert read(path) == ROWS
    for name, table in tables():
        assert holds_rows(table), name
        assert written(table, tmp_path) == path, name
    assert [one.name for one in (tmp_path / "given").iterdir()] == [Path(path).name]
    assert written([*ROWS, ROWS[0]], tmp_path) != path, "other rows are another file"


def test_a_file_that_was_damaged_is_written_anew(tmp_path: Path) -> None:
    path = Path(written(ROWS, tmp_path))
    path.write_text(path.read_text().replace("lost", "sent"))
    assert read(written(ROWS, tmp_path)) == ROWS


def test_what_is_missing_is_null_and_what_is_of_numpy_or_a_date_is_plain(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    row = {
        "nan": float("nan"),
        "na": pandas.NA,
        "nat": pandas.NaT,
        "number": np.int64(3),
        "share": np.float32(0.5),
        "flag": np.bool_(True),
        "list": np.array([1.0, np.nan]),
        "day": datetime.date(2026, 1, 31),
        "time": pandas.Timestamp("2026-01-31 12:00"),
        "old": np.datetime64("2026-01-31"),
        "word": Word.SENT,
        "messages": [{"role": "user", "content": "hi", "weight": float("nan")}],
    }
    [found] = read(written([row], tmp_path))
    assert found == {
        "nan": None,
        "na": None,
        "nat": None,
        "number": 3,
        "share": 0.5,
        "flag": True,
        "list": [1.0, None],
        "day": "2026-01-31",
        "time": "2026-01-31T12:00:00",
        "old": "2026-01-31",
        "word": "sent",
        "messages": [{"role": "user", "content": "hi", "weight": None}],
    }
    assert found["flag"] is True and type(found["number"]) is int


def test_an_index_with_a_name_is_a_column_and_one_without_is_not(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"prompt": ["a", "b"], "completion": ["c", "d"]})
    assert "ticket" not in read(written(table, tmp_path))[0]
    assert read(written(table.rename_axis("ticket"), tmp_path))[1]["ticket"] == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "data: there are no rows"),
        (["a", 1], "data, row 1: a row must be a dictionary, and this is of type str"),
        ([{"a": 1}, 7], "data, row 2: a row must be a dictionary, and this is of type int"),
        ([{"a": object()}], "data, row 1, column 'a': a value of type object is no data"),
        ([{"a": {"b": b"x"}}], "data, row 1, column 'a': a value of type bytes is no data"),
        ([{"a": float("inf")}], "data, row 1, column 'a': an infinite number"),
        ([{1: "a"}], "data, row 1: the name of a column must be a text"),
        ([{"a": "\ud800"}], "half of a character"),
        ({"a": [1, 2], "b": [1]}, "data: the columns have different lengths"),
        ({"train": ROWS, "test": ROWS}, "several sets of rows (got ['test', 'train'])"),
    ],
)
def test_what_is_no_row_is_named_with_its_place(data: Any, words: str, tmp_path: Path) -> None:
    assert holds_rows(data)
    with pytest.raises(DataError) as raised:
        written(data, tmp_path)
    assert words in str(raised.value)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_columns_with_one_name_are_refused_and_not_lost(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="columns with the same name"):
        written(pandas.DataFrame([["a", "b"]], columns=["prompt", "prompt"]), tmp_path)
    pyarrow = pytest.importorskip("pyarrow")
    for made in (pyarrow.Table, pyarrow.RecordBatch):
        table = made.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["prompt", "prompt"])
        with pytest.raises(DataError, match=r"columns with the same name \(got \['prompt'\]\)"):
            written(table, tmp_path)


def test_whole_numbers_of_pandas_stay_whole_beside_a_gap(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    gap, none = pandas.DataFrame({"label": [1, None, 3]}), pandas.DataFrame({"label": [1, 3]})
    assert repr(read(written(gap, tmp_path))) == "[{'label': 1}, {'label': None}, {'label': 3}]"
    assert written(gap.dropna(), tmp_path) == written(none, tmp_path) == written([{"label": 1}, {"label": 3}], tmp_path)
    parts = pandas.DataFrame({"share": [1.0, 0.5], "large": [1e300, 1.0], "none": [float("nan")] * 2})
    assert repr(read(written(parts, tmp_path))[0]) == "{'share': 1.0, 'large': 1e+300, 'none': None}"
    named = gap.set_index("label").rename_axis("ticket")
    assert repr(read(written(named, tmp_path))[0]) == "{'ticket': 1}"
    nullable = pandas.DataFrame({"label": pandas.array([1.0, None], dtype="Float64")})
    assert repr(read(written(nullable, tmp_path))) == "[{'label': 1}, {'label': None}]"


def test_dates_of_numpy_are_texts_in_arrays_too(tmp_path: Path) -> None:
    days = ["2026-01-31", "NaT"]
    row = {unit: np.array(days, dtype=f"datetime64[{unit}]") for unit in ("D", "ns")}
    [found] = read(written([row | {"two": np.array([days, days], dtype="datetime64[D]")}], tmp_path))
    assert found["D"] == ["2026-01-31", None] and found["two"] == [["2026-01-31", None]] * 2
    assert found["ns"] == ["2026-01-31T00:00:00.000000000", None]
    for span in (np.timedelta64(5, "ns"), np.array([5], dtype="timedelta64[ns]")):
        with pytest.raises(DataError, match="column 'a': a value of type timedelta64 is no data"):
            written([{"a": span}], tmp_path)


def test_classes_of_a_set_have_their_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=["ham", "spam"])
    features = datasets.Features({"text": datasets.Value("string"), "label": label})
    made = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    assert [row["label"] for row in read(written(made, tmp_path))] == ["spam", "ham", None]
    assert [row["label"] for row in read(written(made.to_pandas(), tmp_path))] == [1, 0, -1], "which has no names"


@pytest.mark.parametrize("form", ["numpy", "torch", "pandas", "arrow"])
def test_classes_have_their_names_whatever_the_format_of_the_set(form: str, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=["ham", "spam"])
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": label, "many": datasets.Sequence(label), "parts": [{"kind": label}]}
    )
    columns = {"text": ["a", "b"], "label": [1, 0], "many": [[0, 1], []], "parts": [[{"kind": 1}], []]}
    made = datasets.Dataset.from_dict(columns, features=features)
    rows = [
        {"text": "a", "label": "spam", "many": ["ham", "spam"], "parts": [{"kind": "spam"}]},
        {"text": "b", "label": "ham", "many": [], "parts": []},
    ]
    assert read(written(made.with_format(form), tmp_path)) == rows
    assert read(written(made.to_iterable_dataset().with_format(form), tmp_path)) == rows
    two = [{"text": row["text"], "label": row["label"]} for row in rows]
    assert read(written(made.with_format(form, columns=["text", "label"]), tmp_path)) == two
    upper = made.with_transform(lambda batch: {"text": [text.upper() for text in batch["text"]]})
    assert read(written(upper, tmp_path)) == [{"text": "A"}, {"text": "B"}], "as the program means them"


def test_columns_of_many_kinds_are_read(tmp_path: Path) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    day = datetime.date(2026, 1, 31)
    held = polars.DataFrame({"d": [day], "l": [["a", None]], "s": [{"x": 1}]}).with_columns(
        polars.lit("k").cast(polars.Categorical).alias("c")
    )
    assert read(written(held, tmp_path)) == [{"d": "2026-01-31", "l": ["a", None], "s": {"x": 1}, "c": "k"}]
    frame = pandas.DataFrame(
        {
            "i": pandas.array([1, None], dtype="Int64"),
            "s": pandas.array(["x", None], dtype="string"),
            "c": pandas.Categorical(["u", None]),
            "t": pandas.to_datetime(["2026-01-31", None], utc=True),
        }
    )
    first = {"i": 1, "s": "x", "c": "u", "t": "2026-01-31T00:00:00+00:00"}
    assert read(written(frame, tmp_path)) == [first, dict.fromkeys(first)]


def test_the_parts_of_a_set_are_told_apart(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    parts = datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)})
    with pytest.raises(DataError, match="data=sets\\['train'\\]"):
        written(parts, tmp_path)


@pytest.mark.parametrize("data", ["rows.jsonl", Path("rows.jsonl"), ["a.jsonl", Path("b.csv")], {"data": "x"}, None, 5])
def test_names_of_files_and_keys_of_a_recipe_are_no_rows(data: Any) -> None:
    assert not holds_rows(data)


def test_the_lines_are_json_as_any_reader_takes_it(tmp_path: Path) -> None:
    text = Path(written(ROWS, tmp_path)).read_text("utf-8")
    assert [json.loads(line) for line in text.splitlines()] == ROWS and "\u00fc" in text
