"""What all methods share. The defaults learn the answers of given rows, token by token; a method says what differs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import torch

from whet.data.batches.loader import Loader, in_order
from whet.data.prepare import Prepared, prepare, prepared_of
from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.evaluation.beside_task import measure_answers, measure_cost
from whet.evaluation.contest import Contest, open_contest
from whet.evaluation.facts import Measured
from whet.evaluation.goal import metric_of_run
from whet.evaluation.methods.answers import measure_rows
from whet.evaluation.models import remember
from whet.evaluation.opponents.of_run import oppose_words
from whet.evaluation.studies.failures import ScoredAnswer
from whet.evaluation.studies.validation_answers import ask_validation, compare_validation
from whet.evaluation.transcript import FILE as TRANSCRIPT
from whet.model.base import Base, load_base
from whet.model.policy import Policy
from whet.model.precision import device
from whet.model.saved_model import save_model
from whet.observer import Observer
from whet.planning.tune_time import Writing
from whet.recipe.methods.base import MethodKeys
from whet.recipe.rules import Choice
from whet.recipe.schema import OpponentName, Recipe
from whet.recipe.sections.rewards import AnyReward
from whet.rewards.combine import Rewards
from whet.store.run import Run
from whet.training.data_facts import refuse_unlearnable
from whet.training.learner import BatchSource, Learner
from whet.training.learners.next_token import NextTokenLearner
from whet.training.self_check import CheckedLoss, next_token_loss
from whet.training.session import Session
from whet.training.training_method import Setup
from whet.types import Batch

Keys = TypeVar("Keys", bound=MethodKeys)


class Method(Generic[Keys]):
    """A training method with its keys of the recipe."""

    # ---- how it trains

    by_accuracy = False
    saves_checkpoints = True

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    @property
    def rewards(self) -> Sequence[AnyReward]:
        return ()

    def check_early(self, recipe: Recipe) -> None:
        """Nothing of the recipe needs the method's own look."""

    def gather(self, recipe: Recipe, renderer: Renderer, cache: Path, observer: Observer) -> Source:
        return prepare(recipe, renderer.tokenizer, renderer, cache, observer=observer)

    def settle(self, recipe: Recipe, source: Source) -> tuple[Recipe, list[Choice]]:
        refuse_unlearnable(recipe, source)
        return recipe, []

    def load_base(self, recipe: Recipe, dtype: torch.dtype) -> Base:
        return load_base(recipe.base, dtype, recipe.trust_remote_code, recipe.quantise, device())

    def prepare_model(self, recipe: Recipe, source: Source, policy: Policy) -> CheckedLoss:
        return next_token_loss(policy)

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
        return NextTokenLearner(setup.policy, setup.loader)

    def save(self, setup: Setup) -> None:
        self.save_checkpoint(setup, setup.run.model)

    def save_checkpoint(self, setup: Setup, folder: Path) -> None:
        save_model(folder, setup.base, setup.policy, setup.renderer, setup.recipe)

    def best(self, value: float | None) -> dict[str, float | None]:
        return {"best_validation_loss": value}

    # ---- how it is measured

    scored_by_metric = False
    reads_references = False

    def refuse_missing(self, runs: Path | str) -> None:
        """It needs nothing beside the base."""

    def refuse_rows(self, recipe: Recipe, source: Source) -> None:
        """It can learn from any rows that were prepared for it."""

    def metric(self, recipe: Recipe, prepared: Prepared) -> str:
        return metric_of_run(recipe, prepared)

    def mean_step(self, recipe: Recipe, source: Source) -> float:
        """Steps of an epoch share its tokens, so none is quite as full as it may be."""
        assert recipe.batch_tokens
        return source.tokens / max(1, math.ceil(source.tokens / recipe.batch_tokens))

    def written_in_a_step(self, row: float) -> Writing | None:
        return None

    def written_in_a_validation(self, row: float, rows: int) -> Writing | None:
        return None

    def measure(self, session: Session, observer: Observer) -> Measured:
        contest = open_contest(session, observer)
        observer.phase("evaluating base and tuned")
        path, facts = session.run.folder / TRANSCRIPT, contest.opened.facts
        remember(*contest.models, contest.loaded, contest.renderer.stop_ids, path, facts)
        measured, lines = self.measure_task(contest)
        measure_cost(contest, measured)
        session.opened = contest.opened
        return measured, lines

    def measure_task(self, contest: Contest) -> Measured:
        """Base, tuned and the other opponents on the test rows, and what is measured on their answers."""
        rewards = self.rewards_of_run(contest.run)
        measured, lines = self.measure_words(contest, rewards)
        oppose_words(measured, lines, contest, self.unaskable(contest.recipe), rewards)
        return measure_answers(contest, measured, lines, self.judged(contest.recipe))

    def rewards_of_run(self, run: Run) -> Rewards | None:
        """What scores the answers of a run; None for a method that is measured by the recipe's metric alone."""
        return None

    def measure_words(self, contest: Contest, rewards: Rewards | None) -> Measured:
        """Base and tuned on the test rows."""
        return measure_rows(contest)

    def unaskable(self, recipe: Recipe) -> dict[OpponentName, str]:
        return {}

    def judged(self, recipe: Recipe) -> list[str]:
        return [recipe.base]

    def validation_answers(self, session: Session, observer: Observer) -> tuple[str, list[ScoredAnswer]]:
        contest = open_contest(session, observer)
        if contest.prepared.shape.paired:
            return compare_validation(contest)
        return ask_validation(contest)
