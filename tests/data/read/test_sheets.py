"""Excel files: the sheet that is named or the first, with values as they stand there, and nothing is guessed."""

from __future__ import annotations

import datetime
import io
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whet.data.read.remarks import heard
from whet.data.read.source import fingerprint, read_source
from whet.errors import DataError, RecipeError
from whet.recipe.load import load_recipe
from whet.store.identity import data_digest

openpyxl = pytest.importorskip("openpyxl")

ROWS = [("prompt", "completion"), ("Where is it?", "sent"), ("And now?", "lost")]


def book(path: Path, **sheets: list[tuple[Any, ...]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def values(name: str | Path) -> list[Any]:
    return [raw.value for raw in read_source(str(name))]


def refused(path: Path, words: str) -> DataError:
    with pytest.raises(DataError) as raised:
        values(path)
    assert words in str(raised.value), raised.value
    return raised.value


def test_the_first_row_names_the_columns_and_places_are_those_of_the_sheet(tmp_path: Path) -> None:
    path = book(tmp_path / "b.xlsx", May=[*ROWS, (), ("Gone?", "no")])
    rows = list(read_source(str(path)))
    assert [raw.value for raw in rows] == [dict(zip(ROWS[0], row, strict=True)) for row in [*ROWS[1:], ("Gone?", "no")]]
    assert [raw.where for raw in rows] == ["b.xlsx:2", "b.xlsx:3", "b.xlsx:5"]


def test_a_sheet_is_named_behind_the_file(tmp_path: Path) -> None:
    path = book(tmp_path / "b.xlsx", May=ROWS, June=[ROWS[0], ("Later?", "yes")])
    with heard() as remarks:
        assert values(path)[0] == {"prompt": "Where is it?", "completion": "sent"}
    assert "of 2 sheets the first is read, 'May'" in remarks[0]
    with heard() as remarks:
        [row] = list(read_source(f"{path}#June"))
    assert row.value == {"prompt": "Later?", "completion": "yes"} and row.where == "b.xlsx#June:2" and not remarks
    refused(Path(f"{path}#Jun"), "there is no such sheet; did you mean 'June'? (got 'Jun')")


def test_two_sheets_of_a_file_are_two_sets_of_data(tmp_path: Path) -> None:
    path = book(tmp_path / "b.xlsx", May=ROWS, June=ROWS)
    names = [str(path), f"{path}#May", f"{path}#June"]
    assert len({data_digest(name) for name in names}) == len({fingerprint(name) for name in names}) == 3


def test_a_recipe_finds_a_sheet_beside_it(tmp_path: Path) -> None:
    book(tmp_path / "b.xlsx", May=ROWS)
    (tmp_path / "r.yaml").write_text('data: "b.xlsx#May"\n')
    recipe = load_recipe(tmp_path / "r.yaml")
    assert values(str(recipe.data))[0]["completion"] == "sent"
    assert load_recipe(tmp_path / "b.xlsx#May").data == str(tmp_path / "b.xlsx#May")
    with pytest.raises(RecipeError, match="no such file"):
        load_recipe(tmp_path / "c.xlsx#May")


def test_a_file_whose_own_name_has_the_sign_is_meant_first(tmp_path: Path) -> None:
    (tmp_path / "b.xlsx#May.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    assert values(tmp_path / "b.xlsx#May.jsonl") == [{"prompt": "a", "completion": "b"}]


def test_dates_are_texts_and_numbers_are_numbers(tmp_path: Path) -> None:
    row = (datetime.datetime(2026, 1, 31), datetime.datetime(2026, 1, 31, 12, 5), 3, 2.5, True, None, "007")
    path = book(tmp_path / "b.xlsx", May=[("day", "time", "whole", "part", "flag", "nothing", "text"), row])
    assert values(path) == [
        {
            "day": "2026-01-31", "time": "2026-01-31T12:05:00", "whole": 3, "part": 2.5, "flag": True, "nothing": None,
            "text": "007",
        }
    ]  # fmt: skip


def with_cells(path: Path, *cells: str) -> Path:
    """The cells of row 2 as Excel would write them."""
    book(path, May=[ROWS[0]])
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = old.read(name)
            if name.startswith("xl/worksheets/"):
                text = text.replace(b"</sheetData>", f'<row r="2">{"".join(cells)}</row></sheetData>'.encode())
            new.writestr(name, text)
    return path


def test_a_formula_has_the_value_that_was_saved_with_it(tmp_path: Path) -> None:
    saved = '<c r="A2" t="str"><f>"a"&amp;"b"</f><v>ab</v></c><c r="B2"><f>1+2</f><v>3</v></c>'
    assert values(with_cells(tmp_path / "a.xlsx", saved)) == [{"prompt": "ab", "completion": 3}]
    empty = '<c r="A2" t="str"><f>""</f><v></v></c><c r="B2" t="inlineStr"><is><t>x</t></is></c>'
    assert values(with_cells(tmp_path / "b.xlsx", empty)) == [{"prompt": None, "completion": "x"}]


def test_a_formula_that_was_never_calculated_and_an_error_are_no_values(tmp_path: Path) -> None:
    path = book(tmp_path / "b.xlsx", May=[*ROWS, ("=1+2", "x")])
    assert refused(path, "the formula in A4 has no value").where == "b.xlsx:4"
    wrong = '<c r="A2" t="e"><f>1/0</f><v>#DIV/0!</v></c><c r="B2"><v>1</v></c>'
    refused(with_cells(tmp_path / "c.xlsx", wrong), "the cell A2 holds an error (got '#DIV/0!')")


def prefixed(name: str, text: bytes) -> tuple[str, bytes]:
    if name.startswith("xl/worksheets/"):
        text = re.sub(rb"<(/?)(\w)", rb"<\1x:\2", text).replace(b"xmlns=", b"xmlns:x=")
    return name, text


def elsewhere(name: str, text: bytes) -> tuple[str, bytes]:
    before, after = "xl/worksheets/sheet1.xml", "xl/data.part"
    return name.replace(before, after), text.replace(before.encode(), after.encode())


def in_utf16(name: str, text: bytes) -> tuple[str, bytes]:
    if name.startswith("xl/worksheets/"):
        text = b'<?xml version="1.0" encoding="UTF-16"?>'.decode().encode("utf-16") + text.decode().encode("utf-16-le")
    return name, text


@pytest.mark.parametrize("written_otherwise", [prefixed, elsewhere, in_utf16])
def test_a_formula_is_found_however_the_file_is_written(
    written_otherwise: Callable[[str, bytes], tuple[str, bytes]], tmp_path: Path
) -> None:
    for formula, expected in (("1", [{"prompt": "1", "completion": "x"}]), ("=1+2", None)):
        content = book(tmp_path / "a.xlsx", May=[ROWS[0], (formula, "x")]).read_bytes()
        path = tmp_path / "b.xlsx"
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                new.writestr(*written_otherwise(name, old.read(name)))
        if expected is None:
            refused(path, "the formula in A2 has no value")
        else:
            assert values(path) == expected


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a", None, "b"), ("1", "2", "3")], "the first row must name the columns, each once"),
        ([("a", "a"), ("1", "2")], "the first row must name the columns, each once"),
        ([("a", "b"), ("1", "2", "3")], "a value in a column that the first row does not name (got '3')"),
        ([("a", "b")], "the file holds no rows"),
        ([], "the file holds no rows"),
    ],
)
def test_a_table_that_is_none_is_refused(rows: list[tuple[Any, ...]], words: str, tmp_path: Path) -> None:
    refused(book(tmp_path / "b.xlsx", May=rows), words)


def test_columns_without_anything_in_them_are_no_columns(tmp_path: Path) -> None:
    path = book(tmp_path / "b.xlsx", May=[("prompt", "completion", None), ("a", "b", None)])
    assert values(path) == [{"prompt": "a", "completion": "b"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK but no more", "not a readable Excel file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "has a password, or is of the older form .xls"),
        (b"", "not a readable Excel file"),
    ],
)
def test_what_is_no_excel_file_is_told_so(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "b.xlsx").write_bytes(content)
    assert "CSV" in refused(tmp_path / "b.xlsx", words).fix


def test_a_damaged_sheet_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = with_cells(tmp_path / "b.xlsx", "<c r=")
    refused(path, "not a readable Excel file")


def test_a_small_file_that_holds_far_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w", zipfile.ZIP_DEFLATED) as packed, packed.open("a.xml", "w") as file:
        for _ in range(80):
            file.write(bytes(1 << 20))
    refused(tmp_path / "b.xlsx", "would come out of this file")


def test_without_the_package_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(tmp_path / "b.xlsx", May=ROWS)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    error = refused(path, "reading Excel files needs the package 'openpyxl'")
    assert "pip install whet[excel]" in error.fix and "save the sheet as CSV" in error.fix


def test_what_excel_lays_beside_an_open_file_is_not_read(tmp_path: Path) -> None:
    book(tmp_path / "b.xlsx", May=ROWS)
    (tmp_path / "~$b.xlsx").write_bytes(b"owner")
    assert len(values(tmp_path)) == 2
