"""What all methods share that learn from answers which the model writes itself: prompts, and a sampler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from whet.data.batches.prompt_loader import PromptLoader
from whet.data.prepare import prepared_of, read_rows
from whet.data.source import Source
from whet.methods.base import Method
from whet.planning.tune_time import Writing
from whet.recipe.methods.rollouts import OwnAnswers
from whet.recipe.schema import Recipe
from whet.rewards.combine import Rewards
from whet.training.learners.rollout import Sampler
from whet.training.training_method import Setup
from whet.types import Batch

Keys = TypeVar("Keys", bound=OwnAnswers)


class OwnAnswersMethod(Method[Keys]):
    # ---- how it trains

    def loader(self, recipe: Recipe, source: Source) -> PromptLoader:
        assert recipe.micro_batch_tokens
        keys, prompts = self.keys, prepared_of(source).train
        return PromptLoader(prompts, keys.prompts, keys.max_new_tokens, recipe.micro_batch_tokens, recipe.seed)

    def validation(self, recipe: Recipe, source: Source) -> Iterable[Batch]:
        return []

    def sampler(self, setup: Setup, rewards: Rewards) -> Sampler:
        """Reads the rows again, because rewards ask for more than their tokens."""
        rows = read_rows(setup.recipe, prepared_of(setup.source), ("trained", "validation"))
        return Sampler(
            setup.policy,
            setup.base.tokenizer,
            setup.source.renderer.stop_ids,
            setup.base.context,
            rewards,
            {row.index: row for row in rows},
            self.keys.max_new_tokens,
            setup.recipe.seed,
        )

    # ---- how it is measured

    def mean_step(self, recipe: Recipe, source: Source) -> float:
        """Answers are about half their limit."""
        keys, row = self.keys, source.tokens / max(1, source.rows)
        return keys.prompts * (row + keys.samples * keys.max_new_tokens / 2)

    def written_in_a_step(self, row: float) -> Writing:
        keys = self.keys
        return Writing(keys.prompts * keys.samples, row, keys.max_new_tokens / 2, keys.max_new_tokens)


def prompts_of(setup: Setup) -> PromptLoader:
    """The loader of prompts, with more to ask of it than the loop does."""
    assert isinstance(setup.loader, PromptLoader)
    return setup.loader
