"""Score against cost, latency and memory: one SVG of three panels, a point for each way of each candidate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from whet.reports.chart import axis, pad_range
from whet.selection.choice_facts import AskedFacts, CandidateFacts, ChoiceFacts, RungFacts

PANEL, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300, 300, 48, 16, 40, 48
INK, POINT, CHOSEN = "#222", "#1a5fb4", "#b35900"
WAYS = (("as_it_is", "as it is"), ("prompted", "with a prompt"), ("examples", "with three examples"))


@dataclass(frozen=True, slots=True)
class PlottedWay:
    """`number` is the line of the table that it stands in."""

    number: int
    base: str
    label: str
    facts: AskedFacts | RungFacts
    memory: int | None
    chosen: bool


def ways_of(facts: ChoiceFacts) -> list[PlottedWay]:
    """Every way that was measured, in the order of the table."""
    found: list[PlottedWay] = []
    for candidate in facts["candidates"]:
        for label, asked, is_chosen in _of_candidate(candidate, facts):
            number = len(found) + 1
            found.append(PlottedWay(number, candidate["base"], label, asked, candidate["cost"]["memory"], is_chosen))
    return found


def _of_candidate(candidate: CandidateFacts, facts: ChoiceFacts) -> Iterator[tuple[str, AskedFacts | RungFacts, bool]]:
    chosen = facts["chosen"]
    mine = chosen is not None and chosen["base"] == candidate["base"]
    for key, label in WAYS:
        asked: AskedFacts | None = candidate[key]  # type: ignore[literal-required]
        if asked is not None:
            yield label, asked, mine and chosen is not None and chosen["asked"] == key

    for rung in candidate["rungs"]:
        is_chosen = mine and chosen is not None and chosen["asked"] is None and chosen["run"] == rung["run"]
        yield f"tuned on {rung['rows']:,} rows", rung, is_chosen


def draw(facts: ChoiceFacts) -> str:
    """The SVG; a panel without a point says so."""
    ways = ways_of(facts)
    panels = [
        ("dollars a thousand answers", [(way, way.facts["usd_per_1000"]) for way in ways]),
        ("seconds an answer", [(way, way.facts["seconds_per_answer"]) for way in ways]),
        ("GB of a tune, as planned", [(way, None if way.memory is None else way.memory / 1e9) for way in ways]),
    ]
    inside = []
    for place, (title, values) in enumerate(panels):
        points = [(way, value) for way, value in values if value is not None]
        inside.append(f'<g transform="translate({PANEL * place} 0)">{_panel(title, points)}</g>')

    width = PANEL * len(panels)
    told = "; ".join(f"{way.number}: {way.base} {way.label} {100 * way.facts['score']:.1f}%" for way in ways)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}" role="img"><title>{escape(told)}</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(inside)}</svg>\n'
    )


def _panel(title: str, points: Sequence[tuple[PlottedWay, float]]) -> str:
    right, down = PANEL - RIGHT, HEIGHT - BOTTOM
    parts = [
        _text(LEFT, 22, f"score, % by {title}", 'font-weight="bold"'),
        f'<path d="M{LEFT} {TOP}V{down}H{right}" fill="none" stroke="#999"/>',
    ]
    if not points:
        return "".join([*parts, _text((LEFT + right) / 2, (TOP + down) / 2, "not known", 'text-anchor="middle"')])

    values, scores = [value for _, value in points], [100 * way.facts["score"] for way, _ in points]
    low_x, high_x = 0.0, 1.15 * max(values) or 1.0
    low_y, high_y = pad_range(min(scores), max(scores), 0.1)
    for tick in axis(low_x, high_x, 3):
        x = LEFT + (right - LEFT) * tick.place / 100
        parts.append(_text(x, down + 18, tick.label, 'text-anchor="middle"'))
    for tick in axis(low_y, high_y, 4):
        y = down - (down - TOP) * tick.place / 100
        parts.append(_text(LEFT - 6, y + 4, tick.label, 'text-anchor="end"'))

    for (way, value), score in zip(points, scores, strict=True):
        x = LEFT + (right - LEFT) * (value - low_x) / (high_x - low_x)
        y = down - (down - TOP) * (score - low_y) / (high_y - low_y)
        colour, size = (CHOSEN, 7) if way.chosen else (POINT, 4)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{colour}"/>')
        parts.append(_text(x + 8, y - 6, str(way.number), f'fill="{colour}"'))
    return "".join(parts)


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(words)}</text>'
