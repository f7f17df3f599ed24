"""What choice.json holds, key by key: what the verb writes and its page reads."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from whet.evaluation.facts import Decision, MetricFacts

WayName = Literal["base", "examples", "tuned", "api"]
"""How a chosen candidate is used: as it is or with a prompt, with examples, tuned, or as a server answers."""
AskedName = Literal["as_it_is", "prompted", "examples"]
"""How an untuned candidate was asked."""


class AskedFacts(TypedDict):
    """One way of asking a candidate on the validation rows; tokens and seconds are of one answer."""

    score: float
    interval: list[float]
    rows: int
    prompt_tokens: float
    answer_tokens: float
    seconds_per_answer: float
    usd_per_1000: float | None
    detail: str


class RungFacts(TypedDict):
    """A short tune, measured on the validation rows."""

    run: str
    share: float
    rows: int
    steps: int
    score: float
    interval: list[float]
    seconds: float
    """Of training and measuring."""
    peak_memory: int
    """Bytes, of the training."""
    seconds_per_answer: float
    prompt_tokens: float
    answer_tokens: float
    usd_per_1000: float | None


class CostFacts(TypedDict):
    """`hours` and `memory` (bytes) of a tune on all rows, as planned; None where no tune was planned."""

    hours: float | None
    memory: int | None
    usd_per_1000: float | None
    """Of the best way of this candidate."""


class CandidateFacts(TypedDict):
    base: str
    kind: Literal["local", "url"]
    fits: bool
    licence: str
    context: int | None
    tokens_per_row: float | None
    parameters: int | None
    settings: dict[str, Any]
    """Keys that were set so that it fits; they change nothing of what is learned."""
    as_it_is: AskedFacts | None
    prompted: AskedFacts | None
    examples: AskedFacts | None
    not_asked: dict[str, str]
    """Ways that could not be asked, and why."""
    rungs: list[RungFacts]
    cost: CostFacts
    seconds_per_answer: float | None
    """Of the best way."""
    out: bool
    why: str
    """Why it left, or where it ended."""


class ChosenFacts(TypedDict):
    base: str
    way: WayName
    asked: AskedName | None
    """None of a tuned model."""
    run: str | None
    label: str


class ChoiceVerdict(TypedDict):
    """On the test rows, which nobody but the chosen one was asked."""

    word: str
    sentence: str
    score: float
    interval: list[float]
    rows: int
    against: list[dict[str, Any]]
    ship: Decision | None
    """Of a tuned one: what its run says of using it."""


class BudgetFacts(TypedDict):
    hours: float | None
    memory: int | None
    usd: float | None
    price_per_hour: float | None
    used: dict[str, float]
    """`hours` and `usd`."""


class ChoiceFacts(TypedDict):
    name: str
    data: Any
    metric: MetricFacts
    validation_rows: int
    constant: dict[str, Any]
    """The best constant answer: its label and score on the validation rows."""
    candidates: list[CandidateFacts]
    answers_per_month: int | None
    chosen: ChosenFacts | None
    worth_it: bool
    """Chosen, and on the test rows proved better than all it was held against; a tuned one if its run says yes."""
    reason: str
    verdict: ChoiceVerdict | None
    selection_gain: float | None
    """Score of the chosen one on the validation rows minus its score on the test rows."""
    budget: BudgetFacts
    report: str
    notes: NotRequired[list[str]]
