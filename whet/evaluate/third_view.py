"""What stands beside base and tuned in the report: the base with the prompt, the teacher, or the passages."""

from __future__ import annotations

from typing import Any

from whet.evaluate import chart
from whet.evaluate.report_view import percent
from whet.evaluate.verdict import signed

SHARES = (
    ("supported", "Answers supported"),
    ("refusal_where_absent", "Refused where the passages lack it"),
    ("refusal_where_present", "Refused where they hold it"),
)
"""Of an evaluation with passages: keys of each side, and what they are called."""


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
    if retrieval := evaluation.get("retrieval"):
        tiles = [
            _share("Passage found", retrieval["found"], "of the rows that have one"),
            *(
                _share(words, retrieval["tuned"][key], f"tuned; base {_percent(retrieval['base'][key])}")
                for key, words in SHARES
            ),
        ]
        return {"title": "Answers and their passages", "statement": retrieval["statement"], "tiles": tiles}
    return None


def _share(label: str, rate: dict[str, Any] | None, note: str) -> tuple[str, str, str]:
    if rate is None:
        return label, "-", "no row can tell"
    return label, _percent(rate), f"{percent(rate['low'])} to {percent(rate['high'])}, {rate['rows']} rows; {note}"


def _percent(rate: dict[str, Any] | None) -> str:
    return "-" if rate is None else percent(rate["mean"])


def _score(label: str, side: dict[str, Any]) -> tuple[str, str, str]:
    return label, percent(side["score"]), f"{percent(side['low'])} to {percent(side['high'])}"


def _difference(label: str, what: str, difference: dict[str, Any]) -> tuple[str, str, str]:
    range_ = f"{signed(100 * difference['low'])} to {signed(100 * difference['high'])}"
    return label, f"{signed(100 * difference['estimate'])} points", f"{what}; 95% interval {range_}"


def _distance(label: str, sides: dict[str, float]) -> tuple[str, str, str]:
    return label, chart.brief(sides["tuned"]), f"KL in nats a token; base {chart.brief(sides['base'])}"
