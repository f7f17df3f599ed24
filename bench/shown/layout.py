"""The page on how the code is laid out: its table, from README's, and the drawing of which room imports which.

    python -m bench.shown.layout    writes the table of docs/layout.md and docs/images/layout.svg

Both are read off the tree as it is; a test says when they are stale.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bench.shown.pages import DOCS, table, write_tables

ROOT = DOCS.parent
WHET = ROOT / "whet"
PAGE, IMAGE = DOCS / "layout.md", DOCS / "images" / "layout.svg"
CELL, SIDE, TOP, EDGE = 24, 190, 124, 16
"""In pixels: a cell of the drawing, the space for names at the left and at the top, the border."""
STEPS = ((1, "#dbe7f5"), (4, "#9dbfe6"), (16, "#4f86c6"), (64, "#1a4f8f"))
"""Least imports, and the colour of a cell from there on."""

Edges = Counter[tuple[str, str]]
"""How many imports lead from the first room to the second."""


@dataclass(frozen=True, slots=True)
class Room:
    """A room by name, and what README says that it is for."""

    path: str
    purpose: str

    @property
    def name(self) -> str:
        return self.path.removeprefix("whet/").removesuffix("/").removesuffix(".py")


def sources() -> list[Path]:
    return sorted(path for path in WHET.rglob("*.py") if "__pycache__" not in path.parts)


def room_of(path: Path) -> str:
    """`whet/data/rows/marks.py` -> `data`; `whet/errors.py` -> `errors`."""
    return path.relative_to(WHET).parts[0].removesuffix(".py")


def rooms() -> list[Room]:
    """Every room of README's table that is there, in its order, which is that of the imports."""
    read = (ROOT / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| `(whet/\w+(?:/|\.py))` \| (.+) \|$", read, flags=re.MULTILINE)
    return [Room(name, purpose) for name, purpose in listed]


def imports(path: Path) -> Iterable[str]:
    """The rooms that a file imports from, once for each name, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (parts[1] for parts in (name.split(".") for name in names) if parts[0] == "whet" and parts[1:])


def edges(names: Sequence[str]) -> Edges:
    """Imports between different rooms."""
    found: Edges = Counter()
    for path in sources():
        here = room_of(path)
        found.update((here, there) for there in imports(path) if {here, there} <= set(names) and there != here)
    return found


def room_table(found: Sequence[Room]) -> str:
    """README's table, with links as docs/ sees them."""
    rows = [(f"`{room.path}`", re.sub(r"\[docs/(.+?)\]\(docs/", r"[\1](", room.purpose)) for room in found]
    return table(("room", "what it is for"), rows).replace("| ---: |", "| --- |")


def drawing(names: Sequence[str], counts: Edges) -> str:
    """A row a room, a column a room that it imports from. Imports that go one way lie left of the diagonal."""
    place = {name: number for number, name in enumerate(names)}
    width, height = SIDE + CELL * len(names) + EDGE, TOP + CELL * len(names) + 64
    parts = [f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for name, number in place.items():
        across, down = SIDE + CELL * number, TOP + CELL * number
        if number % 2:
            parts.append(f'<rect x="{EDGE}" y="{down}" width="{width - 2 * EDGE}" height="{CELL}" fill="#f6f6f6"/>')
        parts.append(f'<text x="{SIDE - 10}" y="{down + 16}" text-anchor="end">{escape(name)}</text>')
        turn = f"rotate(-50 {across + 14} {TOP - 8})"
        parts.append(f'<text x="{across + 14}" y="{TOP - 8}" transform="{turn}">{escape(name)}</text>')
    for name in names:
        x, y = SIDE + CELL * place[name], TOP + CELL * place[name]
        parts.append(f'<rect x="{x + 8}" y="{y + 8}" width="8" height="8" fill="#bbb"/>')
    for (here, there), count in sorted(counts.items(), key=lambda item: (place[item[0][0]], place[item[0][1]])):
        parts.append(_cell(SIDE + CELL * place[there], TOP + CELL * place[here], count, f"{here} imports {there}"))
    parts += _legend(TOP + CELL * len(names) + 30)
    title = "Which room imports from which: a row a room, a column a room that it imports from"
    head = f'xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    style = 'font-family="sans-serif" font-size="13" fill="#222" role="img"'
    return f"<svg {head} {style}><title>{title}</title>\n" + "\n".join(parts) + "\n</svg>\n"


def shade(count: int) -> str:
    return next(colour for least, colour in reversed(STEPS) if count >= least)


def _cell(x: int, y: int, count: int, says: str) -> str:
    """A square that says how many names, roughly: an exact number would be stale with the next import."""
    square = f'x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}" rx="3" fill="{shade(count)}"'
    return f"<rect {square}><title>{says}</title></rect>"


def _legend(y: int) -> list[str]:
    """What the colours mean: names imported, from so many on."""
    parts = [f'<text x="{SIDE - 10}" y="{y + 13}" text-anchor="end">names imported</text>']
    for number, (least, colour) in enumerate(STEPS):
        x = SIDE + 86 * number
        parts.append(f'<rect x="{x}" y="{y}" width="18" height="18" rx="3" fill="{colour}"/>')
        parts.append(f'<text x="{x + 24}" y="{y + 13}">from {least}</text>')
    return parts


def written() -> tuple[str, str]:
    """The table and the drawing as the tree has them."""
    found = rooms()
    names = [room.name for room in found]
    return room_table(found), drawing(names, edges(names))


if __name__ == "__main__":
    made, drawn = written()
    write_tables(PAGE, {"rooms": made})
    IMAGE.write_text(drawn, "utf-8")
    print(PAGE, IMAGE, sep="\n")
