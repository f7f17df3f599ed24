"""What a run asks of its method. The methods themselves are a room below: whet/methods/, one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.model.base import Base
from whet.model.policy import Policy
from whet.observer import Observer
from whet.recipe.rules import Choice
from whet.recipe.schema import Recipe
from whet.recipe.sections.rewards import AnyReward
from whet.store.run import Run
from whet.training.learner import BatchSource, Learner
from whet.training.self_check import CheckedLoss
from whet.types import Batch


@dataclass(frozen=True, slots=True)
class Setup:
    """All that there is when the loop begins, before the optimiser is made."""

    recipe: Recipe
    run: Run
    source: Source
    renderer: Renderer
    base: Base
    policy: Policy
    """Still as it was before the first step: what the base says is read through it."""
    loader: BatchSource
    path: str
    """The way through the model that the self-check allows."""
    observer: Observer


class TrainingMethod(Protocol):
    """The training half of a method. Its members are in the order in which a run asks for them."""

    by_accuracy: bool
    """Whether a clearly higher share of right validation rows counts more than a lower loss."""
    saves_checkpoints: bool
    """Whether its model can be saved while it is trained."""

    @property
    def rewards(self) -> Sequence[AnyReward]:
        """What scores the answers that it learns from; none for a method that learns from given words."""
        ...

    def check_early(self, recipe: Recipe) -> None:
        """What can be refused before the data is read, such as rewards. Raises InputError."""
        ...

    def gather(self, recipe: Recipe, renderer: Renderer, cache: Path, observer: Observer) -> Source:
        """Read, convert, render and split the data of a recipe whose lengths are filled in. Raises DataError."""
        ...

    def settle(self, recipe: Recipe, source: Source) -> tuple[Recipe, list[Choice]]:
        """The recipe with its method named, and why, once the rows are known. Raises RecipeError for a metric that the
        rows cannot be measured with, DataError for rows that cannot be learned from."""
        ...

    def load_base(self, recipe: Recipe, dtype: torch.dtype) -> Base:
        """The base, on this machine's device. Raises ModelError."""
        ...

    def prepare_model(self, recipe: Recipe, source: Source, policy: Policy) -> CheckedLoss:
        """Hang on what the method trains beside the adapter; gives how the self-check reads a batch."""
        ...

    def longest(self, recipe: Recipe, source: Source) -> int:
        """Tokens of the longest row that is read, with the answer that is written to it. Raises DataError."""
        ...

    def loader(self, recipe: Recipe, source: Source) -> BatchSource: ...

    def validation(self, recipe: Recipe, source: Source) -> Iterable[Batch]:
        """The validation part, every token once, in a fixed order; nothing where there are only prompts to read."""
        ...

    def learner(self, setup: Setup) -> Learner:
        """What the loop holds. The policy is still the base here: references are read now."""
        ...

    def save(self, setup: Setup) -> None:
        """The best weights, which the policy holds, as run/model."""
        ...

    def save_checkpoint(self, setup: Setup, folder: Path) -> None:
        """The weights that the policy holds, as a model folder; only where `saves_checkpoints`."""
        ...

    def best(self, value: float | None) -> dict[str, float | None]:
        """The best validation as training.json calls it: a loss, or a reward, whose sign the loop turns."""
        ...


FindMethod = Callable[[Recipe], TrainingMethod]
"""Gives the method of a recipe: `whet.methods.method_of`, handed down because the methods are a room below."""
