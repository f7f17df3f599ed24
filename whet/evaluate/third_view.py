"""The third side of bake and distil in the report: the base with the prompt, or the teacher."""

from __future__ import annotations

from typing import Any

from whet.evaluate import chart
from whet.evaluate.units import told_change, told_score, unit


def third_view(evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Title, statement and (label, value, note) tiles; None for other methods."""
    if bake := evaluation.get("bake"):
        tokens = bake["request_tokens"]
        saved = f"{tokens['without']:.0f} instead of {tokens['with']:.0f}, mean of the test rows"
        tiles = [
            _score("Base with the prompt", bake["prompted"], bake["kept"].get("scale")),
            _difference("Quality kept", "tuned minus the prompted base", bake["kept"]),
            ("Tokens saved a request", f"{tokens['saved']:.0f}", saved),
            _distance("Distance from the prompted base", bake["divergence"]),
        ]
        return {"title": "What the prompt was worth", "statement": bake["statement"], "tiles": tiles}
    if distil := evaluation.get("distil"):
        tiles = [
            _score(f"Teacher ({distil['teacher']['name']})", distil["teacher"], distil["gap"].get("scale")),
            _difference("Left to the teacher", "tuned minus the teacher", distil["gap"]),
            _distance("Distance from the teacher", distil["divergence"]),
        ]
        return {"title": "Beside the teacher", "statement": distil["statement"], "tiles": tiles}
    return None


def _score(label: str, side: dict[str, Any], scale: float | None) -> tuple[str, str, str]:
    low, high = told_score(side["low"], scale), told_score(side["high"], scale)
    return label, told_score(side["score"], scale), f"{low} to {high}"


def _difference(label: str, what: str, difference: dict[str, Any]) -> tuple[str, str, str]:
    scale = difference.get("scale")
    estimate, low, high = (told_change(difference[key], scale) for key in ("estimate", "low", "high"))
    return label, f"{estimate}{unit(scale)}", f"{what}; 95% interval {low} to {high}"


def _distance(label: str, sides: dict[str, float]) -> tuple[str, str, str]:
    return label, chart.brief(sides["tuned"]), f"KL in nats a token; base {chart.brief(sides['base'])}"
