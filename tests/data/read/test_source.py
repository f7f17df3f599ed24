"""Reading files: every way in which bytes can be wrong is told with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from whet.data.read import hub
from whet.data.read.remarks import heard
from whet.data.read.source import fingerprint, read_source
from whet.errors import DataError, RecipeError
from whet.recipe.load import load_recipe


def rows(path: Path | str | list[str]) -> list:
    return [row.value for row in read_source(path if isinstance(path, list) else str(path))]


def wrong(path: Path, data: bytes | str, *needles: str) -> DataError:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(DataError) as raised:
        rows(path)
    for needle in needles:
        assert needle in str(raised.value), str(raised.value)
    assert raised.value.exit_code == 2 and raised.value.where and raised.value.fix
    return raised.value


def test_json_lines_with_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": "\xc3\xa4"}')
    read = list(read_source(str(path)))
    assert [(r.index, r.where, r.value) for r in read] == [(0, "a.jsonl:1", {"a": 1}), (1, "a.jsonl:3", {"a": "ä"})]


def test_json_in_its_forms(tmp_path: Path) -> None:
    for name, text in {
        "list.json": '[{"a": 1}, {"a": 2}]',
        "data.json": '{"data": [{"a": 1}, {"a": 2}]}',
        "lines.json": '{"a": 1}\n{"a": 2}\n',
    }.items():
        (tmp_path / name).write_text(text)
        assert rows(tmp_path / name) == [{"a": 1}, {"a": 2}], name


LISTED = '[{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d"}]'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("one list in a line.jsonl", LISTED),
        ("a list.jsonl", LISTED.replace("}, ", "},\n").replace("[", "[\n")),
        ("an object.jsonl", '{\n "data": ' + LISTED + "}"),
        *((f"under {name}.json", f'{{"version": 1, "{name}": {LISTED}}}') for name in ("train", "rows", "examples")),
        ("columns.json", '{"prompt": ["a", "c"], "completion": ["b", "d"]}'),
        ("pandas.json", '{"prompt": {"0": "a", "1": "c"}, "completion": {"0": "b", "1": "d"}}'),
        ("pandas index.json", '{"0": {"prompt": "a", "completion": "b"}, "1": {"prompt": "c", "completion": "d"}}'),
        ("pandas split.json", '{"columns": ["prompt", "completion"], "data": [["a", "b"], ["c", "d"]]}'),
        ("pandas.csv", ",prompt,completion\n0,a,b\n1,c,d\n"),
        ("pandas, a part of the rows.csv", ",prompt,completion\n7,a,b\n3,c,d\n"),
        ("pandas.tsv", "\tprompt\tcompletion\n0\ta\tb\n1\tc\td\n"),
    ],
)
def test_what_other_tools_write_is_read(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert rows(tmp_path / name) == [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d"}]


def test_what_is_left_out_of_a_file_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"train": [{"a": 1}], "test": [{"a": 2}, {"a": 3}], "dev": []}))
    (tmp_path / "b.csv").write_text(",a\n0,x\n1,y\n")
    with heard() as remarks:
        assert rows([str(tmp_path / "a.json"), str(tmp_path / "b.csv")] * 2)[0] == {"a": 1}
    assert [text.split(";")[0] for text in remarks] == [
        "a.json: the rows are those under 'train'",
        "a.json: 2 rows under 'test' are not read",
        "b.csv: the first column has no name and numbers the rows, as pandas writes it",
    ]


def test_columns_and_row_numbers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    wrong(tmp_path / "a.json", '{"a": ["x"], "b": ["y", "z"]}', "different lengths", "{'a': 1, 'b': 2}")
    wrong(tmp_path / "b.json", '{"columns": ["a", "b"], "data": [["x", "y"], ["z"]]}', "b.json#2", "each of the 2")
    wrong(tmp_path / "c.csv", ",text\n0,x\n1,y\n0,z\n", "c.csv:4", "does not number the rows", "index=False")
    wrong(tmp_path / "d.csv", ",text\ngood,x\n", "d.csv:2", "does not number the rows")
    wrong(tmp_path / "e.csv", ",a,b\n0,x\n", "e.csv:2", "2 fields where the header has 3")
    wrong(tmp_path / "f.csv", "a,,b\n0,x,y\n", "f.csv:2", "column 2 has no name and is not empty")
    wrong(tmp_path / "g.json", '{"a": {"b": 1}}', "list of rows")


@pytest.mark.parametrize(("name", "words"), [("a.xls", "as CSV"), ("a.pkl", "JSON Lines"), ("a.zip", "unpack it")])
def test_a_file_of_another_kind_gets_the_way_out(name: str, words: str, tmp_path: Path) -> None:
    assert words in wrong(tmp_path / name, b"PK", "cannot tell the format").fix
    with pytest.raises(RecipeError) as raised:
        load_recipe(str(tmp_path / name))
    assert words in raised.value.fix


def test_bad_json_names_line_column_and_what_is_wrong(tmp_path: Path) -> None:
    wrong(tmp_path / "a.jsonl", '{"a": 1}\n{"a": 2,}\n', "a.jsonl:2", "column 9", "comma too many")
    wrong(tmp_path / "b.jsonl", '{"a": 1}\n{"a": "x\n', "b.jsonl:2", "line break")
    wrong(tmp_path / "c.json", '[\n {"a": 1}\n {"a": 2}\n]', "c.json:3", "comma")
    wrong(tmp_path / "d.jsonl", "[1, 2]\n", "d.jsonl:1", "JSON object")
    wrong(tmp_path / "e.json", '{"a": 1}', "list of rows")
    wrong(tmp_path / "f.jsonl", '{"a": NaN}\n', "f.jsonl:1", "NaN is not JSON")
    wrong(tmp_path / "g.jsonl", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}\n", "nested")


def test_a_key_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    wrong(tmp_path / "a.jsonl", '{"prompt": "a", "prompt": "b"}\n', "a.jsonl:1", "'prompt' occurs twice")
    wrong(tmp_path / "b.jsonl", '{"m": [{"role": "a", "role": "b"}]}\n', "'role' occurs twice")


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    wrong(tmp_path / "a.jsonl", '{"a": "\\ud83d"}\n', "a.jsonl:1", "half of a character")
    (tmp_path / "b.jsonl").write_text('{"a": "\\ud83d\\ude42"}\n')
    assert rows(tmp_path / "b.jsonl") == [{"a": "🙂"}]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    wrong(tmp_path / "a.jsonl", b'{"a": 1}\n{"a": "\xe4"}\n', "a.jsonl:2", "byte 16 is not valid UTF-8", "LATIN1")
    wrong(tmp_path / "b.jsonl", '{"a": 1}'.encode("utf-16"), "UTF-16")
    wrong(tmp_path / "c.jsonl", '{"a": 1}'.encode("utf-16-le"), "UTF-16")
    wrong(tmp_path / "d.jsonl", b"PK\x03\x04\x00\x00\x08", "binary")
    wrong(tmp_path / "e.jsonl", b"", "empty")
    wrong(tmp_path / "f.jsonl", b"\n\n", "no rows")
    wrong(tmp_path / "g.ods", b"x", "cannot tell the format")


def test_byte_offsets_count_the_byte_order_mark(tmp_path: Path) -> None:
    wrong(tmp_path / "a.txt", b"\xef\xbb\xbfab\xff", "byte 5 ")


def test_gzip_is_read_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    assert rows(path) == [{"a": 1}]
    wrong(tmp_path / "b.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 1000)[:-12], "damaged")
    wrong(tmp_path / "c.jsonl.gz", b"plain text", "damaged")


def test_csv_with_quotes_line_breaks_and_other_separators(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'text,label\r\n"a, ""b""\nc",x\r\n')
    assert rows(tmp_path / "a.csv") == [{"text": 'a, "b"\nc', "label": "x"}]
    (tmp_path / "b.csv").write_text("text;label\na, b;x\n")
    assert rows(tmp_path / "b.csv") == [{"text": "a, b", "label": "x"}]
    (tmp_path / "c.tsv").write_text("text\tlabel\na, b\tx\n")
    assert rows(tmp_path / "c.tsv") == [{"text": "a, b", "label": "x"}]
    (tmp_path / "d.csv").write_text("text,,label,,\na, ,x,,\n")
    assert rows(tmp_path / "d.csv") == [{"text": "a", "label": "x"}], "empty columns that a spreadsheet left behind"


def test_bad_csv_names_the_line(tmp_path: Path) -> None:
    wrong(tmp_path / "a.csv", 'text,label\n"a\nb",x\nc,d,e\n', "a.csv:4", "3 fields where the header has 2")
    wrong(tmp_path / "b.csv", "text,text\na,b\n", "each once", "rename one of the columns 'text'")
    wrong(tmp_path / "e.csv", "sep=;\ntext;label\na;b\n", "e.csv:1", "Excel's note on the separator")
    wrong(tmp_path / "c.csv", 'text,label\n"a,b\n', "not valid CSV")
    wrong(tmp_path / "d.csv", "text,label\n", "no rows")


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    values = [{"messages": [{"role": "user", "content": "a"}]}, {"messages": [{"role": "user", "content": "b"}]}]
    pq.write_table(pa.Table.from_pylist(values), path)
    assert rows(path) == values
    wrong(tmp_path / "b.parquet", b"PAR1 not really", "Parquet")


def test_texts_and_folders(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "b.md").write_bytes(b"two\r\nlines")
    (tmp_path / "inner" / "a.txt").write_text("one")
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "LICENSE.txt").write_text("about")
    (tmp_path / "notes.pdf").write_text("ignored")
    read = list(read_source(str(tmp_path)))
    assert [(r.where, r.value) for r in read] == [("b.md", "two\nlines"), ("inner/a.txt", "one")]


def test_several_files_are_counted_on(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"x": name}) + "\n")
    read = list(read_source([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]))
    assert [(r.index, r.where) for r in read] == [(0, "a.jsonl:1"), (1, "b.jsonl:1")]


def test_a_missing_file_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "tickets.jsonl").write_text("{}")
    with pytest.raises(DataError, match="did you mean.*tickets.jsonl"):
        rows(tmp_path / "tickts.jsonl")
    with pytest.raises(DataError, match="does not exist either"):
        rows(tmp_path / "nowhere" / "a.jsonl")


def test_a_hub_name_without_a_network_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'a/b' on the Hub (LocalEntryNotFoundError)\nmany more lines")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    monkeypatch.setattr(hub, "hub_reached", lambda: True)
    with pytest.raises(DataError, match="the Hub gave no dataset") as raised:
        rows("nobody-here/nothing-there")
    assert raised.value.exit_code == 2 and "many more lines" not in str(raised.value)


def test_a_hub_that_cannot_be_reached_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "hub_reached", lambda: False)
    with pytest.raises(DataError, match="the Hub gave no dataset of this name: it cannot be reached"):
        hub.refuse_unreached("some/set:config:train")
    (tmp_path / "datasets/some___set").mkdir(parents=True)
    hub.refuse_unreached("some/set:config:train")


def test_a_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    first = fingerprint(str(path))
    assert fingerprint([str(path)]) == first != fingerprint([str(path), str(path)])
    path.write_text("{ }")
    assert fingerprint(str(path)) != first


def test_a_bad_byte_in_a_text_or_a_json_list_has_a_line_too(tmp_path: Path) -> None:
    wrong(tmp_path / "a.txt", b"one\ntwo\n\xe4", "a.txt:3", "byte 8 ")
    wrong(tmp_path / "a.json", b'[\n{"a": "\xe4"}]', "a.json:2", "byte 9 ")
