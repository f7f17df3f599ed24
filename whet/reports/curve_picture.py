"""The learning curve as a picture: points with intervals, the fitted curve, and the forecast for twice the rows."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import TYPE_CHECKING

from whet.errors import count
from whet.reports.chart import axis, pad_range

if TYPE_CHECKING:
    from whet.evaluation.studies.learning_curve import CurveFacts, CurvePoint

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 64, 24, 56, 56
STEPS = 60
INK, POINTS, FORECAST = "#222", "#1a5fb4", "#b35900"


def svg(facts: CurveFacts) -> str:
    """An SVG of what `forecast` gives. Rows are on a logarithmic axis, so each doubling is one step to the right."""
    points, ahead = facts["points"], facts["next"]
    shown = [*points, *([ahead] if ahead else [])]
    first, last, end = points[0]["rows"], points[-1]["rows"], shown[-1]["rows"]
    bounds = [value for point in shown for value in (point["low"], point["high"])]
    low, high = pad_range(min(bounds), max(bounds), 0.06)
    low, high = max(0.0, low), min(1.0, high)

    def x(rows: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * log(rows / first) / log(end / first)

    def y(score: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - min(max(score, low), high)) / (high - low)

    def path(begin: float, stop: float) -> str:
        sizes = [begin * (stop / begin) ** (step / STEPS) for step in range(STEPS + 1)]
        fit = facts["fit"]
        return "M" + "L".join(f"{x(n):.1f} {y(1 - fit['a'] - fit['b'] * n ** -fit['c']):.1f}" for n in sizes)

    parts = [_text(LEFT, 22, "Score by training rows", weight="bold"), _text(LEFT, 40, _legend(facts), size=12)]
    for tick in axis(100 * low, 100 * high, 5):
        height = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * tick.place / 100
        parts.append(f'<path d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, height + 4, f"{tick.label}%", anchor="end"))

    for point in shown:
        parts.append(_text(x(point["rows"]), HEIGHT - BOTTOM + 20, f"{point['rows']:,}", anchor="middle"))

    parts.append(
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "training rows (each step doubles them)", anchor="middle")
    )
    if ahead:
        dashed = f'stroke="{FORECAST}" stroke-width="2" stroke-dasharray="6 4"'
        parts.append(f'<path d="{path(first, last)}" fill="none" stroke="{POINTS}" stroke-width="2"/>')
        parts.append(f'<path d="{path(last, end)}" fill="none" {dashed}/>')
        parts.append(_mark(x(end), y, ahead, FORECAST))

    parts += [_mark(x(point["rows"]), y, point, POINTS) for point in points]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="13" fill="{INK}" role="img"><title>Learning curve</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _legend(facts: CurveFacts) -> str:
    if facts["next"]:
        law = "Dashed: forecast for twice the rows."
    else:
        law = "They lie on no power law: no forecast."
    return f"Points: {count(facts['test_rows'], 'test row')}, 95% intervals. {law}"


def _mark(x: float, y: Callable[[float], float], point: CurvePoint, colour: str) -> str:
    low, high = y(point["low"]), y(point["high"])
    ends = "".join(f"M{x - 5:.1f} {end:.1f}h10" for end in (low, high))
    line = f'<path d="M{x:.1f} {low:.1f}V{high:.1f}{ends}" stroke="{colour}" stroke-width="1.5"/>'
    return f'{line}<circle cx="{x:.1f}" cy="{y(point["score"]):.1f}" r="4" fill="{colour}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start", weight: str = "normal", size: int = 13) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" font-size="{size}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{words}</text>'
