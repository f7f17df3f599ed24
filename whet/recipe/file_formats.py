"""Files that hold data in a form that Whet does not read, and what to do with them; and how a sheet is named."""

from __future__ import annotations

import re
from pathlib import Path

OTHERS = {
    (".xls", ".xlsm", ".ods", ".numbers"): "save the sheet as CSV (UTF-8) or as .xlsx, and give that file",
    (".arrow", ".feather", ".orc", ".avro"): "write the table as Parquet, and give that file",
    (".pkl", ".pickle", ".pt", ".npy", ".npz"): "write the rows as JSON Lines, and give that file",
    (".zip", ".tar", ".tgz", ".7z", ".rar"): "unpack it, and give the file or the folder inside",
    (".bz2", ".xz", ".zst", ".lz4"): "unpack it, or compress it with gzip (.gz)",
    (".pdf", ".docx", ".doc", ".odt", ".rtf", ".html", ".htm", ".epub"): "save it as plain text (.txt)",
    (".db", ".sqlite", ".sqlite3"): "write the table as CSV, and give that file",
    (".gguf", ".safetensors", ".bin"): "this holds weights: name it as the base, and a file of rows as the data",
}


def other_format(suffix: str) -> str:
    """What to do with a file of this kind; empty where nothing is known."""
    return next((fix for suffixes, fix in OTHERS.items() if suffix.lower() in suffixes), "")


def sheet_of(name: str | Path) -> tuple[Path, str | None]:
    """The file of a name such as `book.xlsx#May`, and the sheet; no sheet where none is named. A file whose own name
    has the `#` is meant first."""
    path = Path(name).expanduser()
    found = re.fullmatch(r"(.+\.xlsx)#(.+)", str(path), re.IGNORECASE | re.DOTALL)
    if found and not path.exists():
        return (Path(found[1]), found[2])
    return (path, None)
