"""The frontier as one SVG: task score upwards, general score to the right, a point for each scale."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from whet.text.numbers import format_metric_name

if TYPE_CHECKING:
    from whet.evaluation.studies.frontier import FrontierFacts, PointFacts

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 400, 64, 32, 56, 56
INK, LINE, CHOSEN = "#222", "#1a5fb4", "#e66100"


def draw(frontier: FrontierFacts) -> str:
    """The content of frontier.svg for what `measure_frontier` gives."""
    points = frontier["points"]
    left, right = _range([point["general"]["score"] for point in points])
    bottom, top = _range([point["task"]["score"] for point in points])

    def place(point: PointFacts) -> tuple[float, float]:
        x, y = point["general"]["score"], point["task"]["score"]
        wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + wide * (x - left) / (right - left), TOP + tall * (top - y) / (top - bottom)

    parts = [*_axes(left, right, bottom, top, format_metric_name(frontier["metric"]["name"]))]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, points))
    parts.append(f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="2"/>')

    limit = points[0]["general"]["score"] - frontier["budget"]
    if left < limit < right:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (limit - left) / (right - left)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#999" stroke-dasharray="4 4"/>')
        anchor, shift = ("end", -6) if x > WIDTH / 2 else ("start", 6)
        parts.append(_text(x + shift, HEIGHT - BOTTOM - 8, "budget", anchor, "#666"))

    for point in points:
        chosen = point["scale"] == frontier["scale"]
        (x, y), colour, size = place(point), CHOSEN if chosen else LINE, 7 if chosen else 4
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{colour}"/>')
        shift, anchor = (10, "start") if point["scale"] else (8, "middle")  # off its neighbour's label
        lift = -8 if point["scale"] else 16
        parts.append(_text(x + shift, y + lift, f"{point['scale']:g}", anchor, colour, chosen))

    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="{INK}">'
    return f'{head}<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'


def _axes(left: float, right: float, bottom: float, top: float, metric: str) -> list[str]:
    x, y, end = LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT
    return [
        _text(LEFT, 22, "Task against general score, by share of the way from base to tuned", "start", INK, bold=True),
        _text(LEFT, 40, "validation rows; the orange point would be taken", "start", "#666"),
        f'<path d="M{x} {TOP}V{y}H{end}" fill="none" stroke="#999"/>',
        _text(x - 6, TOP + 4, f"{100 * top:.0f}", "end", "#666"),
        _text(x - 6, y, f"{100 * bottom:.0f}", "end", "#666"),
        _text(x, y + 18, f"{100 * left:.0f}", "middle", "#666"),
        _text(end, y + 18, f"{100 * right:.0f}", "middle", "#666"),
        _text((x + end) / 2, y + 36, "general prompts answered right, %", "middle", INK),
        f'<g transform="rotate(-90 18 {(TOP + y) / 2})">{_text(18, (TOP + y) / 2, f"{metric}, %", "middle", INK)}</g>',
    ]


def _range(values: list[float]) -> tuple[float, float]:
    air = max(0.03, 0.08 * (max(values) - min(values)))
    return max(0.0, min(values) - air), min(1.0, max(values) + air)


def _text(x: float, y: float, words: str, anchor: str, colour: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(words)}</text>'
