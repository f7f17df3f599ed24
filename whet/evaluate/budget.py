"""What a tune may lose elsewhere, and whether it did: a question of noninferiority, not of p-values.

A measure is kept when the bad end of its 95% interval stays within the budget, lost when even the good end lies beyond
it, and unclear otherwise: then the rows cannot tell. "Not significantly worse" clears nobody (Piaggio et al. 2012,
doi:10.1001/jama.2012.87802). All numbers here are losses: positive is worse.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Word = Literal["kept", "lost", "unclear", "not judged"]
TEXT_BUDGET = 0.02
"""A rise of the loss on general text that is accepted, as a share of the base's own. A convention."""
LEAST_SCORE_BUDGET = 0.02
REACH, DISCORDANT = 2.8, 0.1
"""A difference of REACH sqrt(discordant share / rows) is found with 80% power (z of 0.975 plus z of 0.8)."""


@dataclass(slots=True)
class Measure:
    """Something measured on base and tuned. `loss`, `low` and `high` are in the unit of `budget`: shares, or nats."""

    name: str
    what: str
    """For people, as the subject of a sentence."""
    unit: Literal["percent", "points", "nats", "score"]
    base: float | None
    tuned: float | None
    loss: float
    low: float
    high: float
    rows: int
    budget: float | None
    reason: str
    """Where the budget came from."""
    word: Word = "not judged"
    statement: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.word = judge(self.low, self.high, self.budget)
        self.statement = state(self)


def judge(low: float, high: float, budget: float | None) -> Word:
    """From the interval of a loss and its budget to the word."""
    if budget is None:
        return "not judged"
    return "kept" if high <= budget else "lost" if low > budget else "unclear"


def score_budget(asked: float | None, rows: int) -> tuple[float, str]:
    """The fall of a suite's score that is accepted, as a share, and why."""
    if asked is not None:
        return asked, "asked for in the recipe"
    provable = REACH * math.sqrt(DISCORDANT / rows)
    if provable <= LEAST_SCORE_BUDGET:
        return LEAST_SCORE_BUDGET, "a convention"
    reason = f"the least that {rows} rows can clear with 80% power when a tenth of the answers differ"
    return math.ceil(100 * provable) / 100, reason


def text_budget(asked: float | None) -> tuple[float, str]:
    return (TEXT_BUDGET, "a convention") if asked is None else (asked, "asked for in the recipe")


def state(measure: Measure) -> str:
    """The measure in one sentence, with its interval and its budget."""
    low, high, loss = (shown(value, measure.unit, sign=True) for value in (measure.low, measure.high, measure.loss))
    unit = {"percent": "", "points": " points", "nats": " nats a token", "score": ""}[measure.unit]
    span = f"{loss}{unit} (95% interval {low} to {high})"
    if measure.budget is None and measure.unit == "score":
        return f"{measure.what}: {change(measure)} {span}; {measure.reason}."
    if measure.budget is None:
        return f"{measure.what}: {span}; no budget was set."
    budget = f"the budget is {shown(measure.budget, measure.unit, sign=True)}{unit}, {measure.reason}"
    opening = {"kept": "is kept", "lost": "is lost", "unclear": "may be lost, the rows cannot tell"}[measure.word]
    return f"{measure.what} {opening}: {change(measure)} {span}; {budget}."


def change(measure: Measure) -> str:
    score = "the score fell by" if measure.details.get("higher_is_better", True) else "the score rose by"
    return {"percent": "the loss rose by", "points": score, "nats": "it moved by", "score": score}[measure.unit]


def shown(value: float, unit: str, sign: bool = False) -> str:
    """A value in its unit, short."""
    if unit == "nats":
        return f"{value:.3f}"
    if unit == "score":
        return f"{value:+.3f}" if sign else f"{value:.3f}"
    text = f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
    text = text.lstrip("+-") if float(text) == 0 else text
    return f"{text}%" if unit == "percent" else text


def together(measures: list[Measure]) -> dict[str, Any]:
    """The key `forgetting` of evaluation.json."""
    broken = [measure.what for measure in measures if measure.word == "lost"]
    unclear = [measure.what for measure in measures if measure.word == "unclear"]
    judged = any(measure.word != "not judged" for measure in measures)
    word = "lost" if broken else "unclear" if unclear else "kept" if judged else "not judged"
    return {
        "word": word,
        "broken": broken,
        "unclear": unclear,
        "statement": " ".join(measure.statement for measure in measures),
        "measures": [asdict(measure) for measure in measures],
    }
