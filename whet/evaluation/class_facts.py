"""What evaluation.json holds of a model that names classes."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class ClassFacts(TypedDict):
    """One class in the answers of one side. A run of an earlier version may hold no more than rows, given and f1."""

    rows: int
    """Test rows of this class."""
    given: int
    """Test rows that were given this class."""
    found: int
    """Test rows of this class that were given it."""
    recall: float
    recall_interval: list[float]
    precision: float | None
    """None for a class that was never given."""
    precision_interval: list[float] | None
    f1: float


class ConfusionFacts(TypedDict):
    """`rows[i][j]`: test rows of class i that were given class j."""

    classes: list[str]
    rows: list[list[int]]


class LostClassFacts(TypedDict):
    """A class that the tuned model misses, or finds less often than the base."""

    label: str
    rows: int
    found: int
    recall: float
    recall_interval: list[float]
    base_found: int
    worse: bool


class ChosenOn(TypedDict):
    """The rows that thresholds were chosen on."""

    part: str
    rows: int
    sha256: str
    """Of their numbers."""


# A key is `class`, which Python keeps for itself.
ThresholdFacts = TypedDict(
    "ThresholdFacts",
    {
        "class": str,
        "threshold": float,
        "validation_f1_at_half": NotRequired[float],
        "validation_f1": NotRequired[float],
        "test_f1_at_half": float,
        "test_f1": float,
    },
)


class ThresholdsFacts(TypedDict):
    chosen_on: ChosenOn | None
    rows_shared_with_test: int
    classes: list[ThresholdFacts]
