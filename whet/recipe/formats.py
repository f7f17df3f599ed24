"""Files that hold data in a form that Whet does not read, and what to do with them."""

from __future__ import annotations

OTHERS = {
    (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"): "save the sheet as CSV (UTF-8), and give that file",
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
