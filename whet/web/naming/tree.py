"""Where a version comes from and where it went, as boxes with lines between them: numbers for an SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.errors import count

WIDE, HIGH, APART, BELOW = 208, 52, 20, 44
"""Pixels: of a box, between two of a row, and between two rows."""
LONGEST = 27
"""Letters that fit into a box."""
SOURCES, RUN, AFTER = 0, 1, 2
"""Rows of what it was made from, itself, and what was made of it; runs before its sources lie above them."""


@dataclass(slots=True)
class Box:
    what: str
    """data, base, run, version or release."""
    title: str
    below: str
    """A second, smaller line."""
    row: int
    leads_to: int | None
    """Place of the box that it leads to, or that leads to it, in the list; None for the run itself."""
    link: str = ""
    x: float = 0
    y: float = 0

    @property
    def shown(self) -> str:
        return shortened(self.title)

    @property
    def shown_below(self) -> str:
        return shortened(self.below)


@dataclass(frozen=True, slots=True)
class Tree:
    boxes: list[Box]
    paths: list[str]
    width: float
    height: float

    @property
    def told(self) -> str:
        """The drawing in words."""
        return "; ".join(f"{box.what} {box.title}{f' ({box.below})' if box.below else ''}" for box in self.boxes)


def shortened(text: str) -> str:
    """The end of a name tells more than its middle."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 9]}\u2026{text[-8:]}"


def tree_of(lineage: dict[str, Any], model: str, to_runs: bool = True) -> Tree:
    """`lineage` as whet/verbs/versions/lineage.py tells it; `model` is the name whose page it is drawn on; `to_runs`:
    boxes of runs lead to their pages, which not everybody may see."""
    boxes = [Box("run", str(lineage["run"]), str(lineage["method"] or ""), RUN, None, f"/runs/{lineage['run']}")]
    boxes += _sources(lineage)
    for parent in lineage["parents"]:
        _add_parents(boxes, parent, 0, SOURCES)
    boxes += _after(lineage, model)
    for box in boxes:
        if not to_runs and box.link.startswith("/runs/"):
            box.link = ""
    return _laid_out(boxes)


def _sources(lineage: dict[str, Any]) -> Iterator[Box]:
    if lineage["imported_from"]:
        yield Box("import", Path(str(lineage["imported_from"])).name, "what it learned from nobody told", SOURCES, 0)
    rows = (lineage["data"] or {}).get("rows", {})
    for file in (lineage["data"] or {}).get("files", []):
        fates = rows.get(file["name"]) or rows.get(Path(file["name"]).name)
        below = f"{fates['trained']:,} trained, {fates['test']:,} test" if fates else file["key"]
        yield Box("data", Path(file["name"]).name, below if file["there"] else "not on this disk", SOURCES, 0)
    if not any(parent["how"] == "base" for parent in lineage["parents"]):
        base = lineage["base"]
        below = "it is not there" if base["there"] is False else f"fingerprint {str(base['fingerprint'] or '-')[:8]}"
        yield Box("base", Path(base["name"]).name, below, SOURCES, 0)


def _add_parents(boxes: list[Box], parent: dict[str, Any], child: int, row: int) -> None:
    """A run that another one was made from, with those before it, a row higher each."""
    names = ", ".join(parent["versions"]) or parent["how"]
    below = names if parent["there"] else "it is not there"
    link = f"/runs/{parent['run']}" if parent["there"] else ""
    boxes.append(Box(parent["how"], Path(str(parent["run"] or parent["name"])).name, below, row, child, link))
    place = len(boxes) - 1
    for one in parent["parents"]:
        _add_parents(boxes, one, place, row - 1)


def _after(lineage: dict[str, Any], model: str) -> Iterator[Box]:
    for version in lineage["versions"]:
        name, _, number = version.partition("@")
        link = f"/models/{name}?version={number}"
        yield Box("version", version, "" if name == model else "another name", AFTER, 0, link)
    for one in lineage["releases"]:
        title = " ".join(part for part in (one["form"], one["type"]) if part)
        yield Box("release", title, "proved" if one["counts"] else "not proved", AFTER, 0)


def _laid_out(boxes: list[Box]) -> Tree:
    first = min(box.row for box in boxes)
    rows = [[box for box in boxes if box.row == row] for row in range(first, max(box.row for box in boxes) + 1)]
    width = max(len(row) * (WIDE + APART) - APART for row in rows)
    for number, row in enumerate(rows):
        left = (width - (len(row) * (WIDE + APART) - APART)) / 2
        for place, box in enumerate(row):
            box.x, box.y = left + place * (WIDE + APART), number * (HIGH + BELOW)
    height = len(rows) * (HIGH + BELOW) - BELOW
    return Tree(boxes, [_path(box, boxes[box.leads_to]) for box in boxes if box.leads_to is not None], width, height)


def _path(box: Box, other: Box) -> str:
    """From the upper one's lower edge to the lower one's upper edge."""
    upper, lower = sorted((box, other), key=lambda one: one.y)
    x, y, to_x, to_y = upper.x + WIDE / 2, upper.y + HIGH, lower.x + WIDE / 2, lower.y
    return f"M{x:.0f} {y:.0f} C{x:.0f} {y + BELOW / 2:.0f} {to_x:.0f} {to_y - BELOW / 2:.0f} {to_x:.0f} {to_y:.0f}"


def summary(lineage: dict[str, Any]) -> list[tuple[str, str]]:
    """What a drawing has no room for: whether the data is still what it was, and what was left out."""
    data = lineage["data"]
    if not data:
        return []
    words = {True: "as it was in training", False: "not as it was in training", None: "not at hand"}
    told = [("data now", words[data["unchanged"]]), ("fingerprint of the data", str(data["sha256"] or "-")[:16])]
    left_out = {name: number for name, number in (data["left_out"] or {}).items() if number}
    if left_out:
        reasons = ", ".join(f"{number:,} {name}" for name, number in left_out.items())
        told.append(("left out", f"{count(sum(left_out.values()), 'row')}: {reasons}"))
    return told
