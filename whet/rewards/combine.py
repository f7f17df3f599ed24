"""All rewards of a recipe as one: each scores every answer, and their weighted sum is what is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from whet.recipe.schema import (
    AnyReward,
    Exact,
    Function,
    JsonObject,
    Judge,
    LearnedReward,
    Length,
    Regex,
    UnitTests,
)  # fmt: skip
from whet.rewards.exact import ExactReward
from whet.rewards.json_object import JsonReward
from whet.rewards.judge import JudgeReward
from whet.rewards.length import LengthReward
from whet.rewards.protocol import Reward
from whet.rewards.regex import RegexReward
from whet.rewards.reward_model import ModelReward
from whet.rewards.unit_tests import UnitTestReward
from whet.rewards.user_function import FunctionReward
from whet.types import Message, Row


@dataclass(frozen=True, slots=True)
class Component:
    """One reward under the name that the log gives it."""

    name: str
    weight: float
    score: Reward


@dataclass(frozen=True, slots=True)
class Scores:
    """Of some answers: the weighted sum of each, and what each component gave it (unweighted). Where a component
    abstained, it counts as much as on average for the other answers to the same row, so that it prefers none of them,
    and 0 where it abstained of all."""

    total: list[float]
    parts: dict[str, list[float]]
    abstained: dict[str, int] = field(default_factory=dict)
    """How often a component abstained, of those that did."""
    tampered: int = 0
    """Answers that tampered with their tests (the reward `tests`)."""


@dataclass(frozen=True, slots=True)
class Rewards:
    components: list[Component]

    @property
    def main(self) -> str:
        """The component that a verdict compares: the first of the recipe."""
        return self.components[0].name

    def __call__(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> Scores:
        """Raises what a component raises (whet/rewards/protocol.py)."""
        parts: dict[str, list[float]] = {}
        silent: dict[str, int] = {}
        tampered = 0

        for component in self.components:
            values = component.score(prompts, answers, rows)
            parts[component.name] = settled(values, rows)
            if missing := sum(value is None for value in values):
                silent[component.name] = missing

        for component in self.components:
            if isinstance(component.score, UnitTestReward):
                tampered += component.score.tampered

        total = []
        for n in range(len(answers)):
            total.append(sum(component.weight * parts[component.name][n] for component in self.components))
        return Scores(total, parts, silent, tampered)


def settled(values: Sequence[float | None], rows: Sequence[Row]) -> list[float]:
    """Numbers in the place of None: the mean of what was given to the same row, 0 where nothing was."""
    of_row: dict[int, list[float]] = {}
    for value, row in zip(values, rows, strict=True):
        if value is not None:
            of_row.setdefault(row.index, []).append(value)

    numbers = []
    for value, row in zip(values, rows, strict=True):
        if value is None:
            same = of_row.get(row.index, [])
            value = sum(same) / max(1, len(same))
        numbers.append(value)
    return numbers


def build_rewards(wanted: Sequence[AnyReward], cache: Path | None = None) -> Rewards:
    """The rewards of a recipe. `cache` is a folder for what a judge said. Raises InputError for what cannot be used:
    a file, a function, a schema, a machine that cannot shut code in."""
    components: list[Component] = []
    for settings in wanted:
        name = settings.kind
        same = sum(component.name.partition("-")[0] == name for component in components)
        if same:
            name += f"-{same + 1}"

        place = None if cache is None else cache / f"{name}.json"
        components.append(_component(settings, name, place))

    return Rewards(components)


def _component(
    settings: Exact | Regex | JsonObject | UnitTests | Length | Function | Judge | LearnedReward,
    name: str,
    cache: Path | None,
) -> Component:
    return Component(name, settings.weight, _scorer(settings, cache))


def _scorer(
    settings: Exact | Regex | JsonObject | UnitTests | Length | Function | Judge | LearnedReward, cache: Path | None
) -> Reward:
    match settings:
        case Exact():
            return ExactReward(settings)
        case Regex():
            return RegexReward(settings)
        case JsonObject():
            return JsonReward(settings)
        case UnitTests():
            return UnitTestReward(settings)
        case Length():
            return LengthReward(settings)
        case Function():
            return FunctionReward(settings)
        case Judge():
            return JudgeReward(settings, cache)
        case LearnedReward():
            return ModelReward(settings)

    assert_never(settings)
