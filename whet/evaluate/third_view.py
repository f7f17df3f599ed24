"""The third side of bake and distil in the report: the base with the prompt, or the teacher."""

from __future__ import annotations

from typing import Any

from whet.evaluate import chart
from whet.evaluate.report_view import percent
from whet.evaluate.verdict import signed


def third_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Title, statement and (label, value, note) tiles; None for other methods."""
    if bake := evaluation.get("bake"):
        tokens = bake["request_tokens"]
        saved = f"{tokens['without']:.0f} instead of {tokens['with']:.0f}, mean of the test rows"
        tiles = [
            _score("Base with the prompt", bake["prompted"]),
            _difference("Quality kept", "tuned minus the prompted base", bake["kept"]),
            ("Tokens saved a request", f"{tokens['saved']:.0f}", saved),
            _distance("Distance from the prompted base", bake["divergence"]),
        ]
        return {"title": "What the prompt was worth", "statement": bake["statement"], "tiles": tiles}
    if distil := evaluation.get("distil"):
        tiles = [
            _score(f"Teacher ({distil['teacher']['name']})", distil["teacher"]),
            _difference("Left to the teacher", "tuned minus the teacher", distil["gap"]),
            _distance("Distance from the teacher", distil["divergence"]),
        ]
        return {"title": "Beside the teacher", "statement": distil["statement"], "tiles": tiles}
    return None


def _score(label: str, side: dict[str, Any]) -> tuple[str, str, str]:
    return label, percent(side["score"]), f"{percent(side['low'])} to {percent(side['high'])}"


def _difference(label: str, what: str, difference: dict[str, Any]) -> tuple[str, str, str]:
    range_ = f"{signed(100 * difference['low'])} to {signed(100 * difference['high'])}"
    return label, f"{signed(100 * difference['estimate'])} points", f"{what}; 95% interval {range_}"


def _distance(label: str, sides: dict[str, float]) -> tuple[str, str, str]:
    return label, chart.brief(sides["tuned"]), f"KL in nats a token; base {chart.brief(sides['base'])}"
