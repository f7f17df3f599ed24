"""Curves of a run as SVG: panels side by side, lines over steps. Numbers come from the run's own metrics.jsonl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from whet.store.run import Run

WIDTH, HEIGHT, MARGIN, HEADER = 420, 240, 48, 44
COLOURS = ("#1a5fb4", "#e66100", "#2e7d32", "#8e24aa")

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines by name over one horizontal axis; `low` and `high` bound the vertical one where the data should not."""

    title: str
    across: str
    lines: dict[str, Points]
    low: float | None = None
    high: float | None = None


def by_step(run: Run) -> dict[str, Points]:
    """Every metric of a run: (step, value)."""
    found: dict[str, Points] = {}
    for facts in run.metrics():
        for name, value in facts.items():
            if name != "step":
                found.setdefault(name, []).append((facts["step"], value))
    return found


def write_svg(path: Path, panels: Sequence[Panel]) -> Path:
    """All panels in a row."""
    body = "".join(_panel(panel, number * WIDTH) for number, panel in enumerate(panels))
    size = f'width="{len(panels) * WIDTH}" height="{HEIGHT}" viewBox="0 0 {len(panels) * WIDTH} {HEIGHT}"'
    style = 'font-family="sans-serif" font-size="11" fill="#222"'
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{background}{body}</svg>\n', "utf-8")
    return path


def smoothed(points: Points, window: int) -> Points:
    """Means over the last `window` points."""
    return [
        (x, sum(y for _, y in points[max(0, n + 1 - window) : n + 1]) / min(window, n + 1))
        for n, (x, _) in enumerate(points)
    ]


def _panel(panel: Panel, left: float) -> str:
    xs = [x for line in panel.lines.values() for x, _ in line]
    ys = [y for line in panel.lines.values() for _, y in line]
    low = min(ys) if panel.low is None else panel.low
    high = max(ys) if panel.high is None else panel.high
    high = high if high > low else low + 1
    first, last = min(xs), max(max(xs), min(xs) + 1e-9)
    inner, tall = WIDTH - 2 * MARGIN, HEIGHT - HEADER - MARGIN

    def place(x: float, y: float) -> str:
        return f"{MARGIN + inner * (x - first) / (last - first):.1f},{HEADER + tall * (high - y) / (high - low):.1f}"

    parts = [
        f'<text x="{MARGIN}" y="16" font-weight="bold">{escape(panel.title)}</text>',
        f'<path d="M{MARGIN} {HEADER}V{HEADER + tall}H{MARGIN + inner}" fill="none" stroke="#999"/>',
        f'<text x="{MARGIN - 4}" y="{HEADER + 4}" text-anchor="end">{high:.3g}</text>',
        f'<text x="{MARGIN - 4}" y="{HEADER + tall}" text-anchor="end">{low:.3g}</text>',
        f'<text x="{MARGIN}" y="{HEADER + tall + 16}">{first:g}</text>',
        f'<text x="{MARGIN + inner}" y="{HEADER + tall + 16}" text-anchor="end">{last:g}</text>',
        f'<text x="{MARGIN + inner / 2}" y="{HEADER + tall + 30}" text-anchor="middle">{escape(panel.across)}</text>',
    ]
    for number, (name, points) in enumerate(panel.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn = " ".join(place(x, y) for x, y in points)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        parts.append(f'<text x="{MARGIN + 130 * number}" y="34" fill="{colour}">{escape(name)}</text>')
    return f'<g transform="translate({left} 0)">{"".join(parts)}</g>'
