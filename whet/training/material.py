"""The data of a run in the form that the loop wants, whatever the method."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whet.data.batches.loader import Loader, in_order
from whet.data.batches.segment_files import marks_by_row
from whet.data.ledger import Ledger
from whet.data.prepare import Prepared, prepare
from whet.data.pretrain.blocks import BlockLoader, read_through
from whet.data.pretrain.corpus import Corpus, prepare_corpus
from whet.data.render.renderer import Renderer
from whet.errors import DataError, RecipeError, count
from whet.observer import Observer
from whet.recipe.methods.rollouts import OwnAnswers
from whet.recipe.rules import Choice, Facts
from whet.recipe.schema import (
    Auto,
    Classify,
    Distil,
    Dpo,
    Grpo,
    HeadMethod,
    Kto,
    Ppo,
    Pretrain,
    Recipe,
    Rloo,
    Sft,
)
from whet.training.both_marks import refuse_one_mark_learned
from whet.training.learners.next_token import BatchSource
from whet.training.learners.rewarded import prompt_loader
from whet.types import Batch

LEAST_TOKENS = 8
"""Of a text to learn."""


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
        return self.source.notes

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

    def longest(self, recipe: Recipe) -> int:
        """Tokens of the longest row that is learned, with the answer that is written to it."""
        if not isinstance(self.source, Prepared):
            return block_length(recipe, self.source.train)
        return self.source.longest + (recipe.method.max_new_tokens if isinstance(recipe.method, OwnAnswers) else 0)

    def facts(
        self, recipe: Recipe, hidden_size: int, parameters: int, context: int, micro: int | None = None
    ) -> Facts:
        """What the rules look at: these rows, and a base of this shape; `micro` is what the memory plan says."""
        return Facts(
            rows=self.rows,
            tokens=self.tokens,
            supervised_tokens=self.supervised_tokens,
            hidden_size=hidden_size,
            parameters=parameters,
            context=context,
            from_scratch=isinstance(recipe.method, Pretrain) and recipe.method.from_scratch,
            micro=micro,
            desirable=sum(marks_by_row(self.source.train).values()) if isinstance(self.source, Prepared) else 0,
        )

    @property
    def marks(self) -> dict[int, bool]:
        """Whether each answer that is marked is good, by input row."""
        return marks_by_row(self.source.segments) if isinstance(self.source, Prepared) else {}

    def loader(self, recipe: Recipe) -> BatchSource:
        assert recipe.micro_batch_tokens
        if isinstance(recipe.method, Grpo | Rloo | Ppo | Distil):
            return prompt_loader(recipe.method, self.prepared.train, recipe.micro_batch_tokens, recipe.seed)
        assert recipe.batch_tokens
        sizes = (recipe.batch_tokens, recipe.micro_batch_tokens, recipe.seed)
        if isinstance(self.source, Prepared):
            return Loader(self.source.train, *sizes, per_tree=isinstance(recipe.method, Dpo | Kto | HeadMethod))
        return BlockLoader(self.source.train, block_length(recipe, self.source.train), *sizes)

    def validation(self, recipe: Recipe) -> Iterable[Batch]:
        """The validation part, every token once, in a fixed order; nothing where there are only prompts to read."""
        if isinstance(recipe.method, OwnAnswers):
            return []
        assert recipe.micro_batch_tokens
        if isinstance(self.source, Prepared):
            per_tree = isinstance(recipe.method, Dpo | Kto | HeadMethod)
            return in_order(self.source.validation, recipe.micro_batch_tokens, per_tree)
        assert isinstance(recipe.method, Pretrain) and recipe.method.context
        return read_through(self.source.validation, recipe.method.context, recipe.micro_batch_tokens)


def block_length(recipe: Recipe, tokens: np.ndarray) -> int:
    """The context, or all tokens where they do not fill one. Raises DataError for a text of a few tokens."""
    assert isinstance(recipe.method, Pretrain) and recipe.method.context
    refuse_hardly_any(recipe, tokens)
    return min(recipe.method.context, len(tokens))


def refuse_hardly_any(recipe: Recipe, tokens: np.ndarray) -> None:
    """Raises DataError for a text of a few tokens."""
    if len(tokens) < LEAST_TOKENS:
        what, said = "there is hardly any text to train on", count(len(tokens), "token")
        raise DataError(what, where=str(recipe.data), value=said, fix="bring more text")


def settle_method(recipe: Recipe, material: Material) -> tuple[Recipe, list[Choice]]:
    """The recipe with `method: auto` replaced by what the rows ask for, and why. Raises RecipeError for a metric that
    the rows cannot be measured with, DataError for marks that are all the same."""
    kind = material.source.shape.kind if isinstance(material.source, Prepared) else "text"
    kind = "preference" if kind == "ranking" else kind
    if isinstance(recipe.method, Classify):
        if recipe.evaluate.metric != "auto":
            what = "classify is measured by what it names, as its task asks"
            metric = recipe.evaluate.metric
            raise RecipeError(what, where="evaluate.metric", value=metric, fix="leave evaluate.metric out")
        return recipe, []
    _refuse_metric(recipe.evaluate.metric, kind)
    if kind == "unpaired" and isinstance(material.source, Prepared):
        refuse_one_mark_learned(recipe, material.source)
    if not isinstance(recipe.method, Auto):
        return recipe, []
    recipe = recipe.model_copy(deep=True)
    recipe.method, reason = {
        "preference": (Dpo(), "The rows are pairs of a chosen and a rejected answer."),
        "unpaired": (Kto(), "The rows are single answers that are marked good or bad."),
    }.get(kind, (Sft(), "The rows are examples to learn from (not preferences)."))
    return recipe, [Choice("method", recipe.method.kind, reason)]


def _refuse_metric(metric: str, kind: str) -> None:
    own = {"preference": "preference-accuracy", "unpaired": "mark-accuracy"}
    if metric == "auto" or metric == own.get(kind) or (kind not in own and metric not in own.values()):
        return
    what = {
        "preference": "preference pairs are compared by the probability of their answers",
        "unpaired": "marked answers are compared by the probability of the answers",
    }.get(kind, f"this needs {'pairs' if metric == own['preference'] else 'answers marked good or bad'}")
    raise RecipeError(what, where="evaluate.metric", value=metric, fix="leave evaluate.metric out")


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
