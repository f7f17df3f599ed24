"""Base against tuned model on the same held-out rows: everything that a measurement may look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from whet.data.prepare import Prepared, prepared_of
from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.errors import DataError
from whet.evaluation.facts import Evaluation
from whet.evaluation.heldout import GREEDY, Drawing, generate_answers, longest_answer, paired_facts
from whet.evaluation.metrics.scoring import RowScore
from whet.evaluation.models import EvaluatedModel, base_and_tuned
from whet.model.base import Base
from whet.model.open import OpenedModel, open_trained
from whet.observer import Observer
from whet.recipe.schema import Recipe
from whet.stats.paired import clusters_of
from whet.store.run import Run
from whet.training.session import Session
from whet.types import Completion, Row


@dataclass(frozen=True)  # no slots: a cached property needs a __dict__
class HeldOut:
    """The rows of a run that nobody has learned, and what is known of them before a model is open."""

    recipe: Recipe
    run: Run
    source: Source
    observer: Observer

    @property
    def prepared(self) -> Prepared:
        """The rows of any method but pretrain."""
        return prepared_of(self.source)

    @property
    def renderer(self) -> Renderer:
        return self.source.renderer

    @cached_property
    def rows(self) -> Sequence[Row]:
        """The test rows. Raises DataError where there are none."""
        rows = self.prepared.test_rows
        if not rows:
            raise DataError("there are no test rows, so nothing can be measured", fix="make split.test larger than 0")
        return rows

    @cached_property
    def clusters(self) -> Sequence[object] | None:
        """What each test row belongs to, where rows come in groups."""
        return clusters_of(self.rows)

    def prompts(self, rows: Sequence[Row]) -> list[list[int]]:
        """Rows as the models are asked them."""
        return [self.renderer.prompt_ids(row.prompt, row.tools) for row in rows]

    def difference(
        self, name: str, reason: str, scores: dict[str, list[RowScore]], rows: Sequence[Row] | None = None
    ) -> Evaluation:
        """Metric, both scores, their paired difference and the verdict, on the test rows or on `rows`."""
        if rows is None:
            rows = self.rows
        return paired_facts(name, reason, scores, rows, self.recipe.seed)


@dataclass(frozen=True)
class Contest(HeldOut):
    """Held-out rows, and two language models that are read and asked in exactly the same way."""

    opened: OpenedModel
    base: EvaluatedModel
    tuned: EvaluatedModel

    @property
    def models(self) -> tuple[EvaluatedModel, EvaluatedModel]:
        return self.base, self.tuned

    @property
    def loaded(self) -> Base:
        """The base's tokenizer, context and folder."""
        return self.opened.base

    def answer_limit(self, rows: Sequence[Row]) -> int:
        """Tokens that an answer to `rows` may have: what the recipe says, or the method, or their references."""
        return longest_answer(self.recipe, rows, self.loaded)

    def answers(
        self,
        model: EvaluatedModel,
        prompts: Sequence[list[int]],
        tokens: int,
        done: Callable[[int], None] = lambda number: None,
        drawing: Drawing = GREEDY,
    ) -> list[Completion]:
        """What one model answers, in the order of the prompts."""
        return generate_answers(model, self.loaded, prompts, self.renderer, tokens, done, drawing)

    def answers_of(
        self,
        models: Sequence[EvaluatedModel],
        prompts: Sequence[list[int]],
        tokens: int,
        drawing: Drawing = GREEDY,
        before: int = 0,
        total: int | None = None,
    ) -> dict[str, list[Completion]]:
        """What each of the models answers, by its name. The observer is told of `total` answers, of which `before` were
        written already."""
        each = len(prompts) * drawing.samples
        if total is None:
            total = len(models) * each

        written = {}
        for number, model in enumerate(models):
            done = partial(self._count, before + number * each, total)
            written[model.name] = self.answers(model, prompts, tokens, done, drawing)

        return written

    def answers_of_both(
        self,
        prompts: Sequence[list[int]],
        tokens: int,
        drawing: Drawing = GREEDY,
        before: int = 0,
        total: int | None = None,
    ) -> dict[str, list[Completion]]:
        return self.answers_of(self.models, prompts, tokens, drawing, before, total)

    def _count(self, before: int, total: int, done: int) -> None:
        self.observer.step(before + done, total, {})


def open_contest(session: Session, observer: Observer) -> Contest:
    """The trained model of a run and its base, after both are proved to be what was trained. Raises ModelError,
    RunFolderError, ProofError."""
    trust = session.recipe.trust_remote_code
    opened = open_trained(session.run, renderer=session.renderer, trust_remote_code=trust)
    return contest_between(session, opened, observer)


def contest_between(session: Session, opened: OpenedModel, observer: Observer) -> Contest:
    """The contest of a run whose models are open."""
    base, tuned = base_and_tuned(opened.model, opened.use_forest, opened.base_model)
    return Contest(session.recipe, session.run, session.source, observer, opened, base, tuned)
