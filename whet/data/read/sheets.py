"""Excel files (.xlsx) to rows: the first sheet, or the one that is named behind a `#`, as in book.xlsx#May."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator
from itertools import zip_longest
from typing import IO, Any

from whet.data.read.remarks import remark
from whet.data.read.size_limits import refuse_unpacked
from whet.errors import DataError, WhetError, nearest

FORMULA = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")
"""As any writer has it: with a prefix before its names, too."""
LONGEST = 256
"""Bytes of a formula's mark that may lie on both sides of a cut."""
WIDE = (b"\xff\xfe", b"\xfe\xff")
"""How text in UTF-16 begins, in which the mark has other bytes."""
CHUNK = 1 << 20
PROTECTED = b"\xd0\xcf\x11\xe0"
"""How a file begins that has a password, and one of the older form (.xls)."""
AS_CSV = "save the sheet as CSV (UTF-8), and give that file"


def read_xlsx(file: IO[bytes], label: str, sheet: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a sheet whose first row names the columns. Dates are texts; a formula has the value that was saved with
    it; an empty cell is None. Raises DataError with the row and the column."""
    try:
        import openpyxl
    except ImportError as error:
        fix = f"pip install whet[excel]; or {AS_CSV}"
        raise DataError("reading Excel files needs the package 'openpyxl'", where=label, fix=fix) from error

    _refuse_other(file, label)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        chosen = _sheet(book, sheet, label)
        formulas: Any = ()

        if _has_formulas(file):
            beneath = openpyxl.load_workbook(file, read_only=True)[chosen.title]
            beneath.reset_dimensions()
            formulas = beneath.iter_rows()

        chosen.reset_dimensions()  # what the file says of its size may be wrong
        yield from _rows(chosen.iter_rows(), formulas, label)
    except WhetError:
        raise
    except Exception as error:  # the library raises what its parsers raise, none of it documented
        if str(error).strip():
            reason = str(error).strip().splitlines()[0]
        else:
            reason = type(error).__name__

        fix = f"save it again; or {AS_CSV}"
        raise DataError(f"not a readable Excel file: {reason}", where=label, fix=fix) from error


def _refuse_other(file: IO[bytes], label: str) -> None:
    """Raises DataError for what is no .xlsx, and for one out of which far too much would come."""
    if label.lower().endswith(".gz"):
        raise DataError("an Excel file is packed already", where=label, fix="unpack it (gunzip), and give the .xlsx")

    begin = file.read(len(PROTECTED))
    file.seek(0)

    if begin == PROTECTED:
        what = "this file has a password, or is of the older form .xls"
        raise DataError(what, where=label, fix=f"save it as .xlsx without a password; or {AS_CSV}")

    try:
        with zipfile.ZipFile(file) as packed:
            unpacked = sum(one.file_size for one in packed.infolist())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise DataError(f"not a readable Excel file: {error}", where=label, fix=AS_CSV) from error

    refuse_unpacked(unpacked, file.seek(0, 2), label)
    file.seek(0)


def _has_formulas(file: IO[bytes]) -> bool:
    """Whether any part of the file may hold one, wherever it keeps its sheets."""
    file.seek(0)
    with zipfile.ZipFile(file) as packed:
        for name in packed.namelist():
            with packed.open(name) as part:
                before = b""
                while chunk := part.read(CHUNK):
                    if FORMULA.search(before + chunk) or (not before and chunk.startswith(WIDE)):
                        return True
                    before = chunk[-LONGEST:]

    return False


def _sheet(book: Any, name: str | None, label: str) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if not sheets:
        raise DataError("the file holds no sheet of cells", where=label, fix=AS_CSV)
    if name is not None and name not in sheets:
        fix = f"it holds: {', '.join(sheets)}"
        raise DataError(f"there is no such sheet{nearest(name, sheets)}", where=label, value=name, fix=fix)

    if name is None:
        chosen = next(iter(sheets.values()))
    else:
        chosen = sheets[name]

    if name is None and len(sheets) > 1:
        remark(f"{label}: of {len(sheets)} sheets the first is read, {chosen.title!r}; another one: {label}#NAME")
    return chosen


def _rows(rows: Any, formulas: Any, label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    names: list[str] = []
    for number, (cells, beneath) in enumerate(zip_longest(rows, formulas, fillvalue=()), start=1):
        where = f"{label}:{number}"
        values = [_value(cell, where) for cell in cells]

        for formula, cell in zip(beneath, cells, strict=False):
            if formula.data_type == "f" and cell.value is None and cell.data_type != "str":  # which is an empty text
                what = f"the formula in {formula.coordinate} has no value: the file was never calculated"
                fix = "open it in Excel or LibreOffice, and save it"
                raise DataError(what, where=where, value=formula.value, fix=fix)

        if all(value is None for value in values):
            continue
        if not names:
            names = _header(values, where)
            continue

        beyond = [value for value in values[len(names) :] if value is not None]
        if beyond:
            what = "this row has a value in a column that the first row does not name"
            raise DataError(what, where=where, value=beyond[0], fix="name the column, or empty the cell")

        yield where, dict(zip_longest(names, values[: len(names)]))


def _header(values: list[Any], where: str) -> list[str]:
    while values and values[-1] is None:
        values = values[:-1]
    names = ["" if value is None else str(value).strip() for value in values]
    if len(set(names)) < len(names) or "" in names:
        what = "the first row must name the columns, each once"
        raise DataError(what, where=where, value=names, fix="add a row of names above, and leave no column between out")
    return names


def _value(cell: Any, where: str) -> Any:
    """As JSON has it. A day without a time is a day."""
    value = cell.value
    if cell.data_type == "e":
        what = f"the cell {cell.coordinate} holds an error"
        raise DataError(what, where=where, value=value, fix="mend its formula, or empty the cell")
    if isinstance(value, datetime.datetime):
        if value.time() == datetime.time():
            return value.date().isoformat()
        return value.isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return str(value)
    if isinstance(value, str) and not value.strip():
        return None
    return value
