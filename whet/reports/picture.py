"""Charts as pictures that stand alone: one SVG, without a page, scripts or a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from whet.errors import without_hidden
from whet.reports.chart import BOX, Chart, Line
from whet.store.atomic import write_text

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 300, 64, 24, 60, 44
"""Of one chart, in pixels."""
COLOURS = {"raw": "#9db8dc", "train": "#1a5fb4", "plain": "#1a5fb4", "validation": "#b35900", "rejected": "#b35900"}
"""By the style of a line (whet/reports/chart.py)."""
LETTER = 6.5
"""Pixels of a letter of the legend, about."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What `result.plot()` gives: a notebook shows it, `save` writes it."""

    svg: str

    def save(self, path: Path | str) -> Path:
        """Writes the SVG. Raises RunFolderError or DiskFullError."""
        write_text(path, self.svg)
        return Path(path)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Picture of {len(self.svg):,} bytes of SVG; a notebook shows it, .save('loss.svg') writes it"


def draw(charts: Sequence[Chart]) -> str:
    """The charts, one below the other, as one SVG."""
    height = HEIGHT * len(charts)
    inside = "".join(f'<g transform="translate(0 {HEIGHT * n})">{_chart(one)}</g>' for n, one in enumerate(charts))
    titles = "; ".join(f"{one.title}: {one.summary}" for one in charts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" fill="#222" role="img"><title>{safe(titles)}</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>{inside}</svg>\n'
    )


def _chart(chart: Chart) -> str:
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = [_text(LEFT, 22, chart.title, ' font-weight="bold" font-size="13"'), _legend(chart.lines)]
    for tick in chart.y_ticks:
        y = TOP + down * (1 - tick.place / 100)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, tick.label, ' text-anchor="end"'))

    for tick in chart.x_ticks:
        parts.append(_text(LEFT + across * tick.place / 100, TOP + down + 18, tick.label, ' text-anchor="middle"'))
    parts.append(_text(LEFT + across / 2, TOP + down + 36, "step", ' text-anchor="middle"'))

    for mark in chart.marks:
        x = LEFT + across * mark.place / 100
        if mark.place > 60:
            side = ("end", x - 4)
        else:
            side = ("start", x + 4)

        parts.append(f'<path d="M{x:.1f} {TOP}V{TOP + down}" stroke="#888" stroke-dasharray="4 3"/>')
        parts.append(_text(side[1], TOP + 12, mark.label, f' text-anchor="{side[0]}" fill="#555"'))

    parts.append(f'<svg x="{LEFT}" y="{TOP}" width="{across}" height="{down}" viewBox="0 0 {BOX} {BOX}" ')
    parts.append(f'preserveAspectRatio="none">{"".join(_line(line) for line in chart.lines)}</svg>')
    return "".join(parts)


def _line(line: Line) -> str:
    colour = COLOURS[line.style]
    drawn = f'<path d="{line.path}" fill="none" stroke="{colour}" stroke-width="{1 if line.style == "raw" else 2}" '
    if line.dots:
        dots = f'<path d="{line.dots}" stroke="{colour}" stroke-width="6" stroke-linecap="round" '
    else:
        dots = ""
    return "".join(f'{path}vector-effect="non-scaling-stroke"/>' for path in (drawn, dots) if path)


def _legend(lines: Sequence[Line]) -> str:
    parts, x = [], float(LEFT)
    for line in lines if len(lines) > 1 else ():
        parts.append(f'<path d="M{x:.1f} 40h16" stroke="{COLOURS[line.style]}" stroke-width="3"/>')
        parts.append(_text(x + 22, 44, line.name))
        x += 22 + LETTER * len(line.name) + 18
    return "".join(parts)


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{style}>{safe(words)}</text>'


def safe(words: str) -> str:
    """As HTML and SVG show it: no marks of theirs, nothing that is not seen."""
    return escape(without_hidden(words))
