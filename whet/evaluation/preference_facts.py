"""What evaluation.json holds of whose answers are liked more: by what scores them, by a judge, and by the model."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from whet.stats.facts import KappaFacts, WinRateFacts


class RewardGains(TypedDict):
    """How far training moved the two answers of a pair, in nats of their log-probability."""

    reward_accuracy: float
    """Share of the pairs whose chosen answer gained more than the rejected one, which is what dpo trains."""
    chosen_gain: float
    rejected_gain: float


class RewardMargins(TypedDict):
    """Their intervals, and the mean of chosen minus rejected gain."""

    reward_accuracy_interval: list[float]
    reward_margin: float
    reward_margin_interval: list[float]


class PairGains(RewardGains, RewardMargins):
    """What is added to the tuned side of an evaluation on pairs."""


class WinFacts(TypedDict):
    rate: float
    low: float
    high: float
    p: float
    wins: int
    ties: int
    losses: int
    by: str
    scores: dict[str, float]
    statement: str


class PositionFacts(TypedDict):
    """Whether a judge leans to the first or to the second place."""

    pairs: int
    consistent: int
    low: float
    high: float
    first: int
    second: int
    p: float
    statement: str


class JudgeFacts(WinRateFacts):
    """The win rate by a language model."""

    by: str
    rubric: str
    position: PositionFacts
    warning: NotRequired[str]
    statement: str
    agreement: NotRequired[KappaFacts]
    """With the people who judged the same answers."""
