"""Curves and intervals as numbers for the report's template: percentages for HTML, paths for inline SVG.

Paths live in a box of 1000 x 1000 that the page stretches; labels stay HTML, so text is never stretched or tiny.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.text.wording import number

Point = tuple[float, float]
BOX = 1000
MOST_POINTS = 300
"""More cannot be seen on a page, and would only make the file larger."""
LEAST = 1e-12
"""The smallest value that a logarithmic axis draws."""


@dataclass(slots=True)
class Line:
    name: str
    style: str
    """A class of report.css: train, raw, validation, rejected or plain."""
    points: list[Point]
    path: str = ""
    dots: str = ""


@dataclass(slots=True)
class Tick:
    place: float
    """Percent from the left or the bottom."""
    label: str


@dataclass(slots=True)
class Chart:
    title: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marks: list[Tick] = field(default_factory=list)
    summary: str = ""
    """The curve in words, for readers who do not see it."""
    wide: bool = False


@dataclass(slots=True)
class Span:
    """An interval on an axis, in percent from the left."""

    left: float
    width: float
    centre: float


def chart(
    title: str, lines: Sequence[Line], marks: Sequence[tuple[float, str]] = (), wide: bool = False, log: bool = False
) -> Chart | None:
    """None if no line has a point. The vertical range covers all lines but `raw` ones, which may be cut off. With `log`
    values that are not above 0 are cut off, too."""
    lines = [line for line in lines if line.points]
    if not lines:
        return None

    xs: list[float] = []
    for line in lines:
        xs += [x for x, _ in line.points]
    x_low, x_high = pad_range(min(xs), max(xs), 0.0)

    ys = heights(lines, log)
    y_low, y_high = pad_range(min(ys), max(ys), 0.06)
    for line in lines:
        _draw(line, (x_low, x_high), (y_low, y_high), log)

    x_count, y_count = 4, 3
    if wide:
        x_count, y_count = 8, 5

    if log:
        y_ticks = log_axis(y_low, y_high)
    else:
        y_ticks = axis(y_low, y_high, y_count)

    drawn = [Tick(to_box(x, x_low, x_high) / 10, label) for x, label in marks if x_low <= x <= x_high]
    summary = "; ".join(_in_words(line) for line in lines)
    return Chart(title, lines, axis(x_low, x_high, x_count), y_ticks, drawn, summary, wide)


def _draw(line: Line, across: tuple[float, float], up: tuple[float, float], log: bool) -> None:
    """Sets the path and the dots of a line."""
    points = [(to_box(x, *across), BOX - to_box(height(y, log), *up)) for x, y in line.points]
    if line.style == "validation" or len(points) == 1:
        line.dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
    line.path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in downsample(points))


def _in_words(line: Line) -> str:
    return f"{line.name} from {short_number(line.points[0][1])} to {short_number(line.points[-1][1])}"


def heights(lines: Sequence[Line], log: bool) -> list[float]:
    """Places of the points on the vertical axis: of all lines but `raw` ones, unless there are no others."""
    lines = [line for line in lines if line.points]
    bounding = [line for line in lines if line.style != "raw"] or lines[:1]

    ys = []
    for line in bounding:
        ys += [height(y, log) for _, y in line.points]
    return ys


def height(value: float, log: bool) -> float:
    if log:
        return math.log10(max(value, LEAST))
    return value


def share_of_height(lines: Sequence[Line], first: float, log: bool = False) -> float:
    """How much of the height of a chart the points from x = `first` on take, 0..1; 0 on a logarithmic axis where a
    value is not above 0."""
    later = []
    for line in lines:
        later.append(Line(line.name, line.style, [point for point in line.points if point[0] >= first]))
    if log and min(heights(lines, False)) <= 0:
        return 0.0

    whole, part = heights(lines, log), heights(later, log)
    if max(whole) > min(whole):
        return (max(part) - min(part)) / (max(whole) - min(whole))
    return 1.0


def smooth(points: Sequence[Point], window: int) -> list[Point]:
    """A centred moving average over `window` points, narrower at the ends."""
    half = window // 2
    sums = [0.0]
    for _, y in points:
        sums.append(sums[-1] + y)

    result = []
    for place, (x, _) in enumerate(points):
        reach = min(half, place, len(points) - 1 - place)
        total = sums[place + reach + 1] - sums[place - reach]
        result.append((x, total / (2 * reach + 1)))

    return result


def downsample(points: list[Point]) -> list[Point]:
    """At most about MOST_POINTS points: the lowest and the highest of every stretch, so that spikes survive."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(2 * len(points) / MOST_POINTS)

    kept = []
    for start in range(0, len(points), size):
        piece = points[start : start + size]
        ends = {piece.index(min(piece, key=lambda p: p[1])), piece.index(max(piece, key=lambda p: p[1]))}
        kept += [piece[place] for place in sorted(ends)]

    return kept


def span(low: float, estimate: float, high: float, axis_low: float, axis_high: float) -> Span:
    left, centre, right = (to_box(v, axis_low, axis_high) / 10 for v in (low, estimate, high))
    return Span(left, right - left, centre)


def pad_range(low: float, high: float, share: float) -> tuple[float, float]:
    """The range with some air; a range without width gets some."""
    if high <= low:
        reach = abs(low) * 0.5 or 0.5
        return low - reach, low + reach
    air = share * (high - low)
    return low - air, high + air


def padded_range(sides: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """A range that holds the scores of all sides with their intervals, for scores outside 0..1."""
    ends = []
    for side in sides:
        for key in ("low", "score", "high"):
            ends.append(number(side.get(key), side["score"]))
    return pad_range(min(ends), max(ends), 0.1)


def to_box(value: float, low: float, high: float) -> float:
    return BOX * (value - low) / (high - low)


def axis(low: float, high: float, count: int, sign: bool = False) -> list[Tick]:
    """Ticks at 1, 2 or 5 times a power of ten inside the range: about `count` of them, and at least two."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (10, 5, 2, 1, 0.5, 0.2, 0.1):
        step = power * factor
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if step < 1.999 * rough and last > first:
            break

    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    numbers = [index * step for index in range(first, last + 1)]
    return [Tick(to_box(v, low, high) / 10, tick_label(v, decimals, sign)) for v in numbers]


def log_axis(low: float, high: float) -> list[Tick]:
    """Ticks at round multiples of the powers of ten between 10^low and 10^high: as many as there is room for."""
    powers = range(math.floor(low) - 1, math.ceil(high) + 1)
    for factors in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        numbers = []
        for power in powers:
            for factor in factors:
                numbers.append(factor * 10.0**power)
        numbers = [value for value in numbers if low <= math.log10(value) <= high]
        if len(numbers) <= 6:
            break
    return [Tick(to_box(math.log10(value), low, high) / 10, f"{value:g}") for value in numbers]


def tick_label(value: float, decimals: int, sign: bool) -> str:
    if decimals > 3 or abs(value) >= 1e6:
        return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e")

    if sign:
        text = f"{value:+,.{decimals}f}"
    else:
        text = f"{value:,.{decimals}f}"

    if float(text.replace(",", "")) == 0:
        return text.lstrip("+-")
    return text


def short_number(value: float) -> str:
    """Three significant digits, with thousands separated."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}".replace("e-0", "e-")
