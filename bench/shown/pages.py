"""Tables of the docs that a command writes, so that no number is copied by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table whose columns after the first are set to the right."""
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write_tables(page: Path, tables: dict[str, str]) -> None:
    """Puts each table between the marks `<!-- name -->` and `<!-- end -->`. Raises ValueError where one is missing."""
    text = page.read_text("utf-8")
    for name, made in tables.items():
        text, found = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m, t=made: m[1] + t + "\n" + m[2], text, flags=re.S
        )
        if not found:
            raise ValueError(f"{page} has no mark <!-- {name} -->")
    page.write_text(text, "utf-8")
