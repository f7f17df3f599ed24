"""Curves of a run as a row of small panels in one SVG."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path

from whet.store.run import Run

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 300, 220, 44, 40, 30
COLOURS = ("#1a5fb4", "#e66100", "#26a269", "#813d9c")
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    lines: dict[str, Points]
    """(step, value) of each named line."""


def curves(run: Run) -> dict[str, Points]:
    """Every metric of a run by step."""
    found: dict[str, Points] = {}
    for line in (run.folder / "metrics.jsonl").read_text("utf-8").splitlines():
        facts = json.loads(line)
        step = facts.pop("step")
        for name, value in facts.items():
            found.setdefault(name, []).append((step, value))
    return found


def write_svg(panels: list[Panel], path: Path) -> None:
    size = f'width="{WIDTH * len(panels)}" height="{HEIGHT}" viewBox="0 0 {WIDTH * len(panels)} {HEIGHT}"'
    body = "".join(_panel(panel, place) for place, panel in enumerate(panels))
    style = 'font-family="sans-serif" font-size="11" fill="#222"'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>'
        f'<rect width="100%" height="100%" fill="#fff"/>{body}</svg>\n',
        "utf-8",
    )


def _panel(panel: Panel, place: int) -> str:
    lines = {name: points for name, points in panel.lines.items() if points}
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    low, high, last = min(ys), max(ys), max(xs)
    high = high if high > low else low + 1.0
    wide, tall = WIDTH - LEFT - 12, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> str:
        return f"{LEFT + wide * x / max(1, last):.1f},{TOP + tall * (high - y) / (high - low):.1f}"

    parts = [
        f'<text x="{LEFT}" y="16" font-weight="bold">{escape(panel.title)}</text>',
        f'<path d="M{LEFT} {TOP}V{TOP + tall}H{LEFT + wide}" fill="none" stroke="#999"/>',
        f'<text x="{LEFT - 4}" y="{TOP + 4}" text-anchor="end">{high:.3g}</text>',
        f'<text x="{LEFT - 4}" y="{TOP + tall}" text-anchor="end">{low:.3g}</text>',
        f'<text x="{LEFT + wide}" y="{TOP + tall + 16}" text-anchor="end">step {last:g}</text>',
    ]
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number]
        path = " ".join(at(x, y) for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(f'<text x="{LEFT + 90 * number}" y="32" fill="{colour}">{escape(name)}</text>')
    return f'<g transform="translate({place * WIDTH} 0)">{"".join(parts)}</g>'
