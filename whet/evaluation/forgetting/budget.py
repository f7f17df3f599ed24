"""What a tune may lose elsewhere, and whether it did: a question of noninferiority, not of p-values.

A measure is kept if the bad end of its 95% interval stays within the budget, lost if even the good end lies beyond it,
and unclear otherwise: then the rows cannot tell. "Not significantly worse" clears nobody (Piaggio et al. 2012,
doi:10.1001/jama.2012.87802). All numbers here are losses: positive is worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from whet.evaluation.facts import ForgettingFacts, MeasureFacts

Word = Literal["kept", "lost", "unclear", "not judged"]
WORDS: dict[Word, str] = {
    "kept": "within budget",
    "lost": "over budget",
    "unclear": "cannot tell",
    "not judged": "no budget",
}
"""For people: the same in the terminal, in sentences and in the report."""
SUBJECTS = {"percent": "loss", "points": "score", "nats": "KL", "score": "score"}
UNITS = {"percent": "", "points": " points", "nats": " nats", "score": ""}
TEXT_BUDGET = 0.05
"""A rise of the loss on general text that is accepted, as a share of the base's own: about the worst end of the
intervals of tunes that were held to their base by its own words, 0.8 to 5% on two bases, and below the 9.5 to 37% of
those that were not (docs/measuring/forgetting.md)."""
TEXT_REASON = "about what tunes held to their base cost (docs/measuring/forgetting.md)"
HELD_COST, REACH, DISCORDANT = 0.05, 1.96, 0.12
"""A fall that is accepted where it can be told exactly, and what its rows cannot tell, REACH sqrt(discordant / rows),
half of a paired 95% interval. Tunes of the bundled base that were held to it cost its skills 3 to 5 points, those that
were not 34 to 61, and in the held ones 12% of the answers differed (docs/measuring/forgetting.md)."""


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
    if high <= budget:
        return "kept"
    if low > budget:
        return "lost"
    return "unclear"


def score_budget(asked: float | None, rows: int) -> tuple[float, str]:
    """The fall of a suite's score that is accepted, as a share, and why."""
    if asked is not None:
        return asked, "asked for in the recipe"
    budget = math.ceil(100 * (HELD_COST + REACH * math.sqrt(DISCORDANT / rows))) / 100
    reason = f"{100 * HELD_COST:g} points, which tunes held to their base cost, and what {rows} rows cannot tell"
    return budget, reason


def text_budget(asked: float | None) -> tuple[float, str]:
    """The rise of the loss on general text that is accepted, as a share, and why."""
    if asked is None:
        return TEXT_BUDGET, TEXT_REASON
    return asked, "asked for in the recipe"


def state(measure: Measure) -> str:
    """The measure in one sentence, with its interval and its budget."""
    unit, fell = measure.unit, higher_is_better(measure.unit, measure.details)
    span = format_range(measure.low, measure.high, unit, fell)
    changed = f"{SUBJECTS[unit]} {format_loss(measure.loss, unit, fell)}{UNITS[unit]} (95% interval {span})"

    if measure.budget is None:
        if unit == "score":
            why = measure.reason
        else:
            why = "no budget was set"
        return f"{measure.what}: {changed}; {why}."

    budget = f"the budget is {format_loss(measure.budget, unit, fell)}{UNITS[unit]}, {measure.reason}"
    return f"{measure.what}: {WORDS[measure.word]}; {changed}; {budget}."


def higher_is_better(unit: str, details: dict[str, Any]) -> bool:
    """Whether more of what was measured is better, so that a loss is a fall."""
    return unit in ("points", "score") and details.get("higher_is_better", True)


def format_loss(loss: float, unit: str, fell: bool) -> str:
    """A loss as the change that people read: for a score that fell, with a minus. Without the unit of points and
    nats."""
    if fell:
        return format_value(-loss, unit, sign=True)
    return format_value(loss, unit, sign=True)


def format_range(low: float, high: float, unit: str, fell: bool) -> str:
    """The interval of a loss, as a range of changes from the lower to the higher."""
    if fell:
        low, high = high, low
    return f"{format_loss(low, unit, fell)} to {format_loss(high, unit, fell)}"


def format_value(value: float, unit: str, sign: bool = False) -> str:
    """A value in its unit, short."""
    if unit == "nats":
        return f"{value:.3f}"
    if unit == "score":
        if sign:
            return f"{value:+.3f}"
        return f"{value:.3f}"

    text = f"{100 * value:.1f}"
    if sign:
        text = f"{100 * value:+.1f}"
    if float(text) == 0:
        text = text.lstrip("+-")

    if unit == "percent":
        return f"{text}%"
    return text


def summarise(measures: Sequence[Measure]) -> ForgettingFacts:
    """The key `forgetting` of evaluation.json."""
    broken = [measure.what for measure in measures if measure.word == "lost"]
    unclear = [measure.what for measure in measures if measure.word == "unclear"]
    judged = any(measure.word != "not judged" for measure in measures)

    word: Word = "not judged"
    if broken:
        word = "lost"
    elif unclear:
        word = "unclear"
    elif judged:
        word = "kept"

    statement = " ".join(measure.statement for measure in measures)
    facts = [cast(MeasureFacts, asdict(measure)) for measure in measures]
    return {"word": word, "broken": broken, "unclear": unclear, "statement": statement, "measures": facts}
