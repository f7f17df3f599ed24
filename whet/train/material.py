"""The data of a run in the form that the loop wants, whatever the method."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whet.data.blocks import BlockLoader, read_through
from whet.data.corpus import Corpus, prepare_corpus
from whet.data.ledger import Ledger
from whet.data.loader import Loader, in_order
from whet.data.prepare import Prepared, prepare
from whet.data.template import Renderer
from whet.errors import DataError, RecipeError
from whet.recipe.rollouts import OwnAnswers
from whet.recipe.rules import Choice, Facts
from whet.recipe.schema import Auto, Classify, Distil, Dpo, Grpo, HeadMethod, Ppo, Pretrain, Recipe, Rloo, Sft
from whet.train.methods import BatchSource
from whet.train.observer import Observer
from whet.train.rewarded import prompt_loader
from whet.types import Batch


@dataclass(slots=True)
class Material:
    """Rows for sft, or one long file of tokens for pretrain."""

    source: Prepared | Corpus

    @property
    def prepared(self) -> Prepared:
        """The rows of any method but pretrain."""
        assert isinstance(self.source, Prepared)
        return self.source

    @property
    def ledger(self) -> Ledger:
        return self.source.ledger

    @property
    def renderer(self) -> Renderer:
        """The one that rendered the rows: the data may have asked for another than the base's own."""
        return self.source.renderer

    @property
    def notes(self) -> list[str]:
        return self.source.notes if isinstance(self.source, Prepared) else []

    @property
    def rows(self) -> int:
        """Rows (or documents) that are trained on."""
        return int(self.ledger.summary()["trained"])

    @property
    def tokens(self) -> int:
        """Tokens of one epoch."""
        return len(self.source.train) if isinstance(self.source, Corpus) else self.source.tokens

    @property
    def supervised_tokens(self) -> int:
        return len(self.source.train) if isinstance(self.source, Corpus) else self.source.supervised_tokens

    def facts(self, recipe: Recipe, hidden_size: int, parameters: int, context: int) -> Facts:
        """What the rules look at: these rows, and a base of this shape."""
        return Facts(
            rows=self.rows,
            tokens=self.tokens,
            supervised_tokens=self.supervised_tokens,
            hidden_size=hidden_size,
            parameters=parameters,
            context=context,
            from_scratch=isinstance(recipe.method, Pretrain) and recipe.method.from_scratch,
        )

    def loader(self, recipe: Recipe) -> BatchSource:
        assert recipe.micro_batch_tokens
        if isinstance(recipe.method, Grpo | Rloo | Ppo | Distil):
            return prompt_loader(recipe.method, self.prepared.train, recipe.micro_batch_tokens, recipe.seed)
        assert recipe.batch_tokens
        sizes = (recipe.batch_tokens, recipe.micro_batch_tokens, recipe.seed)
        if isinstance(self.source, Prepared):
            return Loader(self.source.train, *sizes, per_tree=isinstance(recipe.method, Dpo | HeadMethod))
        return BlockLoader(self.source.train, block_length(recipe, self.source.train), *sizes)

    def validation(self, recipe: Recipe) -> Iterable[Batch]:
        """The validation part, every token once, in a fixed order; nothing where there are only prompts to read."""
        if isinstance(recipe.method, OwnAnswers):
            return []
        assert recipe.micro_batch_tokens
        if isinstance(self.source, Prepared):
            per_tree = isinstance(recipe.method, Dpo | HeadMethod)
            return in_order(self.source.validation, recipe.micro_batch_tokens, per_tree)
        assert isinstance(recipe.method, Pretrain) and recipe.method.context
        return read_through(self.source.validation, recipe.method.context, recipe.micro_batch_tokens)


def block_length(recipe: Recipe, tokens: np.ndarray) -> int:
    """The context, or all tokens where they do not fill one. Raises DataError for a text of a few tokens."""
    assert isinstance(recipe.method, Pretrain) and recipe.method.context
    if len(tokens) < 8:
        raise DataError("there is hardly any text to train on", where=str(recipe.data), value=f"{len(tokens)} tokens")
    return min(recipe.method.context, len(tokens))


def settle_method(recipe: Recipe, material: Material) -> tuple[Recipe, list[Choice]]:
    """The recipe with `method: auto` replaced by what the rows ask for, and why. Raises RecipeError for a metric that
    the rows cannot be measured with."""
    paired = isinstance(material.source, Prepared) and material.source.shape.kind == "preference"
    metric = recipe.evaluate.metric
    if isinstance(recipe.method, Classify):
        if metric != "auto":
            what = "classify is measured by what it names, as its task asks"
            raise RecipeError(what, where="evaluate.metric", value=metric, fix="leave evaluate.metric out")
        return recipe, []
    if metric != "auto" and paired != (metric == "preference-accuracy"):
        what = "preference pairs are compared by the probability of their answers" if paired else "this needs pairs"
        raise RecipeError(what, where="evaluate.metric", value=metric, fix="leave evaluate.metric out")
    if not isinstance(recipe.method, Auto):
        return recipe, []
    recipe = recipe.model_copy(deep=True)
    recipe.method = Dpo() if paired else Sft()
    reason = (
        "The rows are pairs of a chosen and a rejected answer."
        if paired
        else "The rows are examples to learn from (not preference pairs)."
    )
    return recipe, [Choice("method", recipe.method.kind, reason)]


def gather(recipe: Recipe, tokenizer: Any, renderer: Renderer, cache: Path, observer: Observer) -> Material:
    """Read, convert, render and split; `recipe` must have max_tokens and context filled in."""

    def chunk_done(done: int, total: int) -> None:
        observer.step(done, total, {})

    def document_done(done: int, total: int) -> None:
        if done % 500 == 0 or done == total:
            chunk_done(done, total)

    if isinstance(recipe.method, Pretrain):
        return Material(prepare_corpus(recipe, tokenizer, renderer, cache, progress=document_done))
    return Material(prepare(recipe, tokenizer, renderer, cache, progress=chunk_done))
