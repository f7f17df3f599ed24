"""A run from recipe to trained weights: this file reads downwards in the order in which things happen."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import torch

from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.errors import NonFiniteError, RecipeError
from whet.model.accelerator import TF32_SAID, products_in_tf32, refuse_no_tf32
from whet.model.adapter import add_adapter, causal_lm
from whet.model.adapter_options import adapter_notes
from whet.model.architecture_proof import install_forest
from whet.model.base import Base, base_notes, context_of, load_config, load_tokenizer
from whet.model.memory import keep_few_kernels, keep_freed_memory
from whet.model.open import OpenedModel
from whet.model.policy import Policy
from whet.model.precision import choose_dtype, device
from whet.model.quantised.nf4 import bitsandbytes
from whet.model_server import secret_of
from whet.observer import Collecting, Observer
from whet.recipe.bases import gguf_base
from whet.recipe.conflicts.keep import refuse_keep_contradictions
from whet.recipe.external import is_function
from whet.recipe.rules import Choice, DataFacts, fill_defaults
from whet.recipe.schema import Recipe, UnitTests
from whet.rewards.combine import build_rewards
from whet.rewards.sandbox.process import format_layers, refuse_bare_root
from whet.rewards.user_function import load_metric
from whet.store.environment import environment
from whet.store.run import Run
from whet.store.unchanged import accepted_changes, refuse_other_rows
from whet.training.changed_files import accepted_notes, refuse_changed_base
from whet.training.checkpoint import TrainingState, load_best, path_of, resume
from whet.training.data_facts import data_facts
from whet.training.hooks import Checkpointer, Validator, mean_loss
from whet.training.learner import Learner
from whet.training.loop import train_loop
from whet.training.memory_check import run_largest_step
from whet.training.micro_batch import micro_here
from whet.training.optimizers.master_weights import MasterOptimizer
from whet.training.optimizers.rate_hold import hold_of
from whet.training.retention.learner import with_retention
from whet.training.retention.replay import open_replay
from whet.training.self_check import CheckedLoss, SelfCheck, sample_of, self_check
from whet.training.step_log import StepLog
from whet.training.training_method import FindMethod, Setup, TrainingMethod
from whet.types import Batch


@dataclass(slots=True)
class Session:
    """Everything a run needs, ready to train."""

    recipe: Recipe
    run: Run
    find: FindMethod
    base: Base | None
    """Loaded when it is needed: an evaluation opens the trained model instead."""
    renderer: Renderer
    source: Source
    opened: OpenedModel | None = None
    """Trained model and base, where an evaluation has opened them: who asks them next need not open them again, and
    lets go of them."""

    @property
    def method(self) -> TrainingMethod:
        """By the recipe as it is now: the rows may have settled which it is, and the rules its keys."""
        return self.find(self.recipe)


@dataclass(slots=True)
class Trained:
    policy: Policy
    progress: TrainingState
    check: SelfCheck
    seconds: float
    tokens_per_second: float
    """Of the optimiser steps alone, as each step says it: without loading, validations and checkpoints."""


def open_session(
    recipe: Recipe,
    run: Run,
    find: FindMethod,
    observer: Observer,
    refuse: Callable[[Recipe, Source], object] | None = None,
) -> Session:
    """Data, base and resolved recipe; writes recipe, choices, ledger and environment into the run. `find` gives the
    method of a recipe; `refuse` may still speak against the data before the base is loaded.

    A run that was resolved before keeps its choices: a resumed run must not depend on a new measurement.
    """
    keep_few_kernels()
    if recipe.quantise:
        bitsandbytes()  # its absence is told before the data is read

    method = find(recipe)
    refuse_unready(recipe, method)
    begin(run)

    if gguf_base(recipe.base):
        observer.phase("unpacking the GGUF file")
    notes = base_notes(recipe.base)
    observer.phase("reading the data")
    config = load_config(recipe.base, recipe.trust_remote_code)
    renderer = Renderer(load_tokenizer(recipe.base, recipe.trust_remote_code), clock=clock_of(run))
    notes = [*notes, *sandbox_notes(recipe, method)]
    session, choices = read_rows(recipe, with_length_limits(recipe, config), run, find, renderer, observer, notes)

    if refuse is not None:
        refuse(session.recipe, session.source)

    if not (run.folder / "recipe.resolved.yaml").exists():
        _resolve(session, config.hidden_size, choices, observer)
    return session


def begin(run: Run) -> None:
    """Raises RunFolderError for a damaged file."""
    run.refuse_damaged_files()
    run.set_status("preparing")
    run.write_json("environment.json", environment())


def read_rows(
    recipe: Recipe,
    limited: Recipe,
    run: Run,
    find: FindMethod,
    renderer: Renderer,
    observer: Observer,
    notes: Sequence[str] = (),
) -> tuple[Session, list[Choice]]:
    """The rows, checked and split, with their ledger in the run: a session without a base, and what the rows settled.
    `limited` is the recipe with the lengths that the base allows; `notes` are said before those of the rows."""
    method = find(recipe)
    source = method.gather(limited, renderer, run.folder.parent / "cache", observer)
    refuse_other_rows(run, source.ledger.rows_jsonl())
    run.write_json("ledger.json", {**source.ledger.summary(), **accepted_changes(run)})
    run.write_lines("rows.jsonl", source.ledger.rows_jsonl())

    for note in [*notes, *source.notes, *accepted_notes(run)]:
        observer.note(note)
    settled, choices = method.settle(recipe, source)
    refuse_keep_contradictions(settled, "recipe")
    return Session(settled, run, find, None, source.renderer, source), choices


def refuse_unready(recipe: Recipe, method: TrainingMethod) -> None:
    """Before the data is read: what is wrong with rewards, a metric of the user's own, or the key of a judge, and what
    this machine cannot do. Raises RecipeError, InputError."""
    refuse_no_tf32(recipe.tf32, device())
    method.check_early(recipe)

    if recipe.evaluate.wins:
        build_rewards(recipe.evaluate.wins)
    if is_function(recipe.evaluate.metric):
        load_metric(recipe.evaluate.metric)
    if recipe.evaluate.judge and recipe.evaluate.judge.key:
        secret_of(recipe.evaluate.judge.key)


def sandbox_notes(recipe: Recipe, method: TrainingMethod) -> list[str]:
    """Where the recipe runs code that a model wrote: what shuts it in on this machine. Raises InputError where nothing
    does."""
    rewards = [*method.rewards, *(recipe.evaluate.wins or ())]
    tests = [reward for reward in rewards if isinstance(reward, UnitTests)]
    for reward in tests:
        refuse_bare_root(reward.as_root)
    return [format_layers()] if tests else []


def clock_of(run: Run) -> datetime:
    """The date that templates may write: the day on which its weights began to be trained, also when the run is resumed
    on another day, or was made from another run."""
    facts = run.read_json("run.json", "created")
    return datetime.fromisoformat(facts.get("clock") or facts["created"])


def _resolve(session: Session, hidden_size: int, before: list[Choice], observer: Observer) -> None:
    """Fill in what the rules decide, and write it down with the reasons."""
    recipe, run = session.recipe, session.run
    if recipe.dtype == "auto":
        observer.phase("measuring which dtype is faster here")

    dtype, dtype_reason = choose_dtype(recipe.dtype, hidden_size, device())
    session.base = load(session, dtype, observer)

    session.recipe, choices = fill_defaults(recipe, _facts(session, session.base, dtype))
    if recipe.dtype == "auto":
        if dtype == torch.bfloat16:
            session.recipe.dtype = "bfloat16"
        else:
            session.recipe.dtype = "float32"
        choices.append(Choice("dtype", session.recipe.dtype, dtype_reason))

    run.write_json("choices.json", [dataclasses.asdict(choice) for choice in [*before, *choices]])
    run.write_recipe(session.recipe)


def _facts(session: Session, base: Base, dtype: torch.dtype) -> DataFacts:
    recipe, source = session.recipe, session.source
    parameters = sum(p.numel() for p in base.model.parameters())
    micro = None
    if recipe.micro_batch_tokens is None:
        config = base.model.config
        settled = with_length_limits(recipe, config)
        micro = micro_here(recipe, config, session.find(settled).longest(settled, source), dtype, device())
    return data_facts(recipe, source, base.hidden_size, parameters, base.context, micro)


def with_length_limits(recipe: Recipe, config: Any) -> Recipe:
    """The recipe with the lengths that the base allows filled in: the data cannot be cut without them."""
    recipe = recipe.model_copy(deep=True)
    context = context_of(config)

    if getattr(config, "max_position_embeddings", None):
        limit = context
    else:
        limit = None

    _refuse_longer("max_tokens", recipe.max_tokens, limit, recipe)
    recipe.max_tokens = recipe.max_tokens or context
    recipe.method = recipe.method.with_context(context)
    _refuse_longer("method.context", recipe.method.block_tokens, limit, recipe)

    return recipe


def _refuse_longer(key: str, value: int | None, limit: int | None, recipe: Recipe) -> None:
    """Beyond its context a base reads noise, or nothing at all; `limit` is None where it does not say. RecipeError."""
    if value is not None and limit is not None and value > limit:
        what = f"more than the {limit:,} tokens that the base {recipe.base!r} can see"
        raise RecipeError(what, where=key, value=value, fix=f"set {key}: {limit} or less, or use another base")


def load(session: Session, dtype: torch.dtype, observer: Observer) -> Base:
    """The base that the session's method begins with, on this machine's device."""
    observer.phase("loading the base")
    return session.method.load_base(session.recipe, dtype)


def train(session: Session, observer: Observer, sealed: Iterable[str] = ()) -> Trained:
    """Train, or go on where a killed run stopped; leaves the best weights in the policy and in run/model.

    `sealed` are prompts that are measured afterwards, and so must not be replayed.
    """
    recipe, run, method, source = session.recipe, session.run, session.method, session.source
    assert recipe.steps and recipe.learning_rate and recipe.checkpoint_every
    began = time.perf_counter()
    run.set_status("training")
    keep_freed_memory()
    base = session.base or load(session, getattr(torch, recipe.dtype), observer)
    refuse_changed_base(run, base)
    observer.phase("preparing the model")
    install_forest(base.model)
    replay = open_replay(recipe, run, base, session.renderer, sealed, observer)
    observer.phase("adding what is trained")
    policy, reading = _with_adapter(base, recipe, method, source, observer)

    observer.phase("proving the fast path")
    loader = method.loader(recipe, source)
    first = loader.step(0)[0]
    check = _choose_path(session, policy, first, reading, observer)
    observer.phase("trying the largest step")
    longest = next(iter(method.validation(recipe, source)), None)
    run_largest_step(policy, loader.largest(), longest, recipe.optimizer, reading.fast)

    observer.phase("preparing the method")
    setup = Setup(recipe, run, source, session.renderer, base, policy, loader, check.path, observer)
    learner = method.learner(setup)
    optimizer = MasterOptimizer(
        policy.trainable(), recipe.optimizer, recipe.learning_rate, recipe.steps, recipe.schedule
    )
    progress = resume(run, optimizer, recipe.steps, observer)
    learner.state, optimizer.turned = progress.state, progress.turned
    validator = _validator(session, policy, learner, progress, optimizer, observer)

    if progress.best_step < 0:
        observer.phase("validating the base")
        validator.measure(0)  # the base is checkpoint 0, and may win

    saver = Checkpointer(optimizer, run, progress, recipe.checkpoint_every, recipe.steps, check.path)
    if isinstance(observer, Collecting) and method.saves_checkpoints:
        saver.collect = partial(_collect, method, setup, observer)
    observer.phase("training", validator.expected(progress.step))
    log = StepLog(run, observer, validator, learner.writes_answers)

    if not progress.stopped:
        with products_in_tf32(recipe.tf32):
            kept = with_retention(learner, policy, replay, recipe.keep)
            progress.step = train_loop(kept, optimizer, recipe.steps, log, [validator, saver], progress.step)

    observer.phase("saving the best weights")
    load_best(run.checkpoint("best"), policy.trainable())
    policy.model.eval()
    _refuse_broken(policy, learner.last_check(), first)
    learner.finish()
    method.save(setup)
    seconds = time.perf_counter() - began
    return Trained(policy, progress, check, seconds, log.tokens_per_second)


def _with_adapter(
    base: Base, recipe: Recipe, method: TrainingMethod, source: Source, observer: Observer
) -> tuple[Policy, CheckedLoss]:
    """The base with what is trained, and how the self-check reads it. What is drawn after this follows the seed."""
    for note in adapter_notes(base.model, recipe.adapter):
        observer.note(note)
    model = add_adapter(base.model, recipe.adapter, recipe.seed)
    model.train()

    policy = Policy(model)
    reading = method.prepare_model(recipe, source, policy)
    torch.manual_seed(recipe.seed)
    return policy, reading


def _collect(method: TrainingMethod, setup: Setup, observer: Collecting, step: int) -> None:
    observer.checkpoint(step, partial(method.save_checkpoint, setup))


def _validator(
    session: Session,
    policy: Policy,
    learner: Learner,
    progress: TrainingState,
    optimizer: MasterOptimizer,
    observer: Observer,
) -> Validator:
    recipe, method, source = session.recipe, session.method, session.source
    assert recipe.steps and recipe.evaluate.every
    return Validator(
        policy,
        learner.loss,
        lambda: learner.validation(method.validation(recipe, source)),
        session.run,
        progress,
        observer,
        recipe.evaluate.every,
        recipe.steps,
        recipe.evaluate.patience,
        recipe.evaluate.early_stop,
        learner.score,
        method.by_accuracy,
        hold_of(recipe.schedule, recipe.steps),
        optimizer,
    )


def _choose_path(session: Session, policy: Policy, first: Batch, reading: CheckedLoss, observer: Observer) -> SelfCheck:
    """The fastest way through the model that is proved right on rows of the first batch, set up as the recipe asks; of
    a run that is resumed, the way it took before. Raises ProofError where that cannot be taken."""
    recipe = session.recipe
    if recipe.compile and recipe.attention == "auto":
        wanted = "forest"
    else:
        wanted = recipe.attention

    vocabulary = causal_lm(policy.model).config.get_text_config().vocab_size
    kept = path_of(session.run)
    check = self_check(policy, sample_of(first, vocabulary), wanted, reading, first, kept)

    if kept == "plain":  # it may have been taken because a faster one computed something else
        check = SelfCheck(**session.run.read_json("selfcheck.json", "path", "reason"))
    session.run.write_json("selfcheck.json", check.facts())
    observer.note(f"self-check: {check.path} path, {check.reason}")

    if recipe.tf32:
        observer.note(TF32_SAID)
    if recipe.compile:
        policy.compile_layers()

    if recipe.recompute:
        policy.recompute_layers()
    return check


def _refuse_broken(policy: Policy, learner: Learner, batch: Batch) -> None:
    """The last update can break the weights where no validation follows it. Raises NonFiniteError."""
    loss = mean_loss(policy, learner.loss, [batch])
    if loss is None or not math.isfinite(loss):
        fix = "lower learning_rate, or set dtype: float32"
        raise NonFiniteError("the loss after the last step is not finite", where="last step", value=loss, fix=fix)
