"""What all methods share. The defaults learn the answers of given rows, token by token; a method says what differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import torch

from whet.data.batches.loader import Loader, in_order
from whet.data.prepare import prepare, prepared_of
from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.model.base import Base, load_base
from whet.model.folder import save_model
from whet.model.policy import Policy
from whet.model.precision import device
from whet.observer import Observer
from whet.recipe.methods.base import MethodKeys
from whet.recipe.rules import Choice
from whet.recipe.schema import Recipe
from whet.recipe.sections.rewards import AnyReward
from whet.training.learner import BatchSource, Learner
from whet.training.learners.next_token import NextToken
from whet.training.material import refuse_unlearnable
from whet.training.method import Setup
from whet.training.self_check import Reading, token_reading
from whet.types import Batch

Keys = TypeVar("Keys", bound=MethodKeys)


class Method(Generic[Keys]):
    """A training method with its keys of the recipe."""

    # ---- how it trains

    by_accuracy = False

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    @property
    def rewards(self) -> Sequence[AnyReward]:
        return ()

    def check_early(self, recipe: Recipe) -> None:
        """Nothing of the recipe needs the method's own look."""

    def gather(self, recipe: Recipe, renderer: Renderer, cache: Path, observer: Observer) -> Source:
        return prepare(
            recipe, renderer.tokenizer, renderer, cache, progress=lambda done, total: observer.step(done, total, {})
        )

    def settle(self, recipe: Recipe, source: Source) -> tuple[Recipe, list[Choice]]:
        refuse_unlearnable(recipe, source)
        return recipe, []

    def load_base(self, recipe: Recipe, dtype: torch.dtype) -> Base:
        return load_base(recipe.base, dtype, recipe.trust_remote_code, recipe.quantise, device())

    def prepare_model(self, recipe: Recipe, source: Source, policy: Policy) -> Reading:
        return token_reading(policy)

    def longest(self, recipe: Recipe, source: Source) -> int:
        return prepared_of(source).longest + (self.keys.answer_tokens or 0)

    def loader(self, recipe: Recipe, source: Source) -> BatchSource:
        assert recipe.batch_tokens and recipe.micro_batch_tokens
        sizes = (recipe.batch_tokens, recipe.micro_batch_tokens, recipe.seed)
        return Loader(prepared_of(source).train, *sizes, per_tree=self.keys.rows.per_tree)

    def validation(self, recipe: Recipe, source: Source) -> Iterable[Batch]:
        assert recipe.micro_batch_tokens
        return in_order(prepared_of(source).validation, recipe.micro_batch_tokens, self.keys.rows.per_tree)

    def learner(self, setup: Setup) -> Learner:
        return NextToken(setup.policy, setup.loader)

    def save(self, setup: Setup) -> None:
        save_model(setup.run, setup.base, setup.policy, setup.renderer, setup.recipe)

    def best(self, value: float | None) -> dict[str, float | None]:
        return {"best_validation_loss": value}
