"""pretrain: plain text, cut into blocks, every token learned; from a base or from random weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from whet.data.pretrain.blocks import BlockLoader, read_through
from whet.data.pretrain.corpus import corpus_of, prepare_corpus, refuse_hardly_any
from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.evaluation.contest import Contest
from whet.evaluation.facts import Measured
from whet.evaluation.methods.text_blocks import measure_blocks
from whet.evaluation.opponents.of_run import oppose_text
from whet.methods.base import Method
from whet.model.base import Base, random_base
from whet.model.precision import device
from whet.observer import Observer
from whet.recipe.schema import Pretrain, Recipe
from whet.training.learner import BatchSource
from whet.types import Batch


class PretrainMethod(Method[Pretrain]):
    # ---- how it trains

    def gather(self, recipe: Recipe, renderer: Renderer, cache: Path, observer: Observer) -> Source:
        return prepare_corpus(recipe, renderer.tokenizer, renderer, cache, observer=observer)

    def load_base(self, recipe: Recipe, dtype: torch.dtype) -> Base:
        if not self.keys.from_scratch:
            return super().load_base(recipe, dtype)
        base = random_base(recipe.base, dtype, recipe.seed, recipe.trust_remote_code)
        base.model.to(device())
        return base

    def longest(self, recipe: Recipe, source: Source) -> int:
        """The context, or all tokens where they do not fill one. Raises DataError for a text of a few tokens."""
        assert self.keys.context
        tokens = corpus_of(source).train
        refuse_hardly_any(recipe, tokens)
        return min(self.keys.context, len(tokens))

    def loader(self, recipe: Recipe, source: Source) -> BatchSource:
        assert recipe.batch_tokens and recipe.micro_batch_tokens
        sizes = (recipe.batch_tokens, recipe.micro_batch_tokens, recipe.seed)
        return BlockLoader(corpus_of(source).train, self.longest(recipe, source), *sizes)

    def validation(self, recipe: Recipe, source: Source) -> Iterable[Batch]:
        assert recipe.micro_batch_tokens and self.keys.context
        return read_through(corpus_of(source).validation, self.keys.context, recipe.micro_batch_tokens)

    # ---- how it is measured

    def refuse_rows(self, recipe: Recipe, source: Source) -> None:
        refuse_hardly_any(recipe, corpus_of(source).train)

    def measure_task(self, contest: Contest) -> Measured:
        assert self.keys.context
        measured, values = measure_blocks(contest, self.keys.context)
        oppose_text(measured, values, contest, self.keys.context)
        return measured, []


METHOD = PretrainMethod
