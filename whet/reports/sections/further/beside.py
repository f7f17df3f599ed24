"""What stands beside base and tuned in the report: the base with the prompt, the teacher, or the passages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypedDict

from whet.errors import count
from whet.evaluation.facts import DifferenceFacts, Evaluation, RateFacts, SideFacts
from whet.reports import chart
from whet.reports.lines import Phrase, Spoken
from whet.reports.section import Section
from whet.text.numbers import format_change, format_change_range, format_score, unit

Share = Literal["supported", "refusal_where_absent", "refusal_where_present"]
SHARES: tuple[tuple[Share, str], ...] = (
    ("supported", "Answers supported"),
    ("refusal_where_absent", "Refused where the passages lack it"),
    ("refusal_where_present", "Refused where they hold it"),
)
"""Of an evaluation with passages: keys of each side, and what they are called."""


class BesideView(TypedDict):
    title: str
    statement: str
    tiles: list[tuple[str, str, str]]
    """(label, value, note)."""


def reference_view(evaluation: Evaluation) -> BesideView | None:
    """What the third side is worth; None for a run without one."""
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


def _share(label: str, rate: RateFacts | None, note: str) -> tuple[str, str, str]:
    if rate is None:
        return label, "-", "no row can tell"
    low, high = format_score(rate["low"], None), format_score(rate["high"], None)
    return label, _percent(rate), f"{low} to {high}, {count(rate['rows'], 'row')}; {note}"


def _percent(rate: RateFacts | None) -> str:
    if rate is None:
        return "-"
    return format_score(rate["mean"], None)


def _score(label: str, side: SideFacts, scale: float | None) -> tuple[str, str, str]:
    low, high = format_score(side["low"], scale), format_score(side["high"], scale)
    return label, format_score(side["score"], scale), f"{low} to {high}"


def _difference(label: str, what: str, difference: DifferenceFacts) -> tuple[str, str, str]:
    scale = difference.get("scale")
    estimate = format_change(difference["estimate"], scale)
    range_ = format_change_range(difference["low"], difference["high"], scale)
    return label, f"{estimate}{unit(scale)}", f"{what}; 95% interval {range_}"


def _distance(label: str, sides: dict[str, float]) -> tuple[str, str, str]:
    return label, chart.short_number(sides["tuned"]), f"KL in nats a token; base {chart.short_number(sides['base'])}"


def third_lines(evaluation: Evaluation) -> Iterator[Spoken]:
    third = evaluation.get("bake") or evaluation.get("distil") or evaluation.get("retrieval") or {}
    if third.get("statement"):
        yield Phrase(third["statement"])


SECTION = Section(
    key="third",
    title="Beside base and tuned",
    after="judge",
    view=reference_view,
    line=third_lines,
    line_after="goal",
)
