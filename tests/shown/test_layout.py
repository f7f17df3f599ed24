"""docs/layout.md shows the rooms and the imports that are there."""

from __future__ import annotations

import re
from collections import Counter

from bench.shown import layout
from bench.shown.pages import write_tables

STALE = "run: python -m bench.shown.layout"


def test_the_drawing_is_that_of_the_present_imports() -> None:
    made, drawn = layout.written()
    assert layout.IMAGE.read_text("utf-8") == drawn, STALE
    assert f"<!-- rooms -->\n{made}\n<!-- end -->" in layout.PAGE.read_text("utf-8"), STALE


def test_the_drawing_has_every_room_and_every_import_between_rooms() -> None:
    names = [room.name for room in layout.rooms()]
    assert {layout.room_of(path) for path in layout.sources()} - {"__init__", "__main__"} == set(names)
    drawn = layout.IMAGE.read_text("utf-8")
    shown = set(re.findall(r"<title>(\w+) imports (\w+)</title>", drawn))
    assert shown == set(layout.edges(names)) and len(shown) > len(names)


def test_an_import_both_ways_would_be_seen_right_of_the_diagonal() -> None:
    """Cells of one way lie left of their row's place, a cell of the other way right of it."""
    one, other = (layout.drawing(["a", "b"], Counter({way: 1})) for way in (("b", "a"), ("a", "b")))
    left, right = (int(re.findall(r'<rect x="(\d+)"[^>]*><title>', each)[0]) for each in (one, other))
    assert left < right and layout.shade(1) != layout.shade(layout.STEPS[-1][0])


def test_the_table_takes_the_place_of_the_old_one(tmp_path) -> None:
    page = tmp_path / "layout.md"
    page.write_text("before\n<!-- rooms -->\nold\n<!-- end -->\nafter\n", "utf-8")
    write_tables(page, {"rooms": layout.room_table([layout.Room("whet/x/", "see [docs/a/b.md](docs/a/b.md)")])})
    assert page.read_text("utf-8").splitlines()[1:-2] == [
        "<!-- rooms -->",
        "| room | what it is for |",
        "| --- | --- |",
        "| `whet/x/` | see [a/b.md](a/b.md) |",
    ]
