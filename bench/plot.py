"""The loss curves of all sides of all training tasks as one SVG: a panel a task, the sides on top of each other."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.arithmetic import Line, Side, sides_of
from bench.tasks import Task

WIDTH, HEIGHT, MARGIN, HEADER = 420, 240, 48, 40
STYLES = {
    "whet": ("#1a5fb4", "none", 3.5),
    "trl-default": ("#e66100", "none", 1.5),
    "trl-best": ("#111111", "2 4", 1.5),
}
"""Colour, dashes and width of a side; Whet's line is wide, so that a peer on top of it still shows it."""


def svg(tasks: Sequence[Task], lines: Sequence[Line]) -> str:
    """One panel for each task that has losses."""
    panels = []
    for task in tasks:
        sides = [side for side in sides_of(task, lines).values() if side.losses]
        if sides:
            panels.append((task.title, sides))
    body = [panel(title, sides, place) for place, (title, sides) in enumerate(panels)]
    rows = -(-len(panels) // 2)
    size = f'width="{2 * WIDTH}" height="{max(1, rows) * HEIGHT}" viewBox="0 0 {2 * WIDTH} {max(1, rows) * HEIGHT}"'
    style = 'font-family="sans-serif" font-size="11" fill="#222"'
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{background}{"".join(body)}</svg>\n'


def panel(title: str, sides: Sequence[Side], place: int) -> str:
    left, top = (place % 2) * WIDTH, (place // 2) * HEIGHT
    every = [loss for side in sides for loss in side.losses]
    low, high = min(every), max(every)
    high = high if high > low else low + 1.0
    inner, tall = WIDTH - 2 * MARGIN, HEIGHT - HEADER - MARGIN

    def point(step: int, loss: float, steps: int) -> str:
        x = MARGIN + inner * step / max(1, steps - 1)
        return f"{x:.1f},{HEADER + tall * (high - loss) / (high - low):.1f}"

    parts = [
        f'<text x="{MARGIN}" y="16" font-weight="bold">{escape(title)}: loss by step</text>',
        f'<path d="M{MARGIN} {HEADER}V{HEADER + tall}H{MARGIN + inner}" fill="none" stroke="#999"/>',
        f'<text x="{MARGIN - 4}" y="{HEADER + 4}" text-anchor="end">{high:.3f}</text>',
        f'<text x="{MARGIN - 4}" y="{HEADER + tall}" text-anchor="end">{low:.3f}</text>',
        f'<text x="{MARGIN}" y="{HEADER + tall + 16}">1</text>',
        f'<text x="{MARGIN + inner}" y="{HEADER + tall + 16}" text-anchor="end">{len(sides[0].losses)}</text>',
    ]
    for number, side in enumerate(sides):
        colour, dashes, width = STYLES[side.name]
        points = " ".join(point(step, loss, len(side.losses)) for step, loss in enumerate(side.losses))
        stroke = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dashes}"'
        parts.append(f'<polyline points="{points}" {stroke}/>')
        parts.append(f'<text x="{MARGIN + 110 * number}" y="32" fill="{colour}">{escape(side.name)}</text>')
    return f'<g transform="translate({left} {top})">{"".join(parts)}</g>'
