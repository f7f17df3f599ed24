"""Markdown in which nothing of the user's ends a cell, starts a line, or names a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable

from whet.reports.sheet import Sheet


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(map(escaped, line))} |" for line in lines)


def table_of(sheet: Sheet) -> str:
    """A table of the reports."""
    rows = []
    for row in sheet.rows:
        rows.append([f"{cell.text} ({cell.note})" if cell.note else cell.text for cell in row])
    return table(sheet.columns, rows)


def listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(sentence)}" for sentence in sentences)


def fenced(text: str, language: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def last_name(path: str) -> str:
    """The last part of a path, as code."""
    return code(re.split(r"[/\\]", path.rstrip("/\\"))[-1])


def code(text: str) -> str:
    return f"`{text.replace('`', ' ')}`"


def escaped(text: str) -> str:
    """Nothing in a cell ends it, starts a line or is taken for HTML."""
    return re.sub(r"\s*[\r\n]+\s*", " ", text).replace("|", "\\|").replace("<", "&lt;")
