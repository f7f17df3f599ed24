"""A run from recipe to trained weights: this file reads downwards in the order in which things happen."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import torch

from whet.data.batches.loader import Loader
from whet.data.render.renderer import Renderer
from whet.errors import NonFiniteError, RecipeError
from whet.generation.chat_client import secret_of
from whet.losses.preference import needs_reference
from whet.model.accelerator import TF32_SAID, products_in_tf32, refuse_no_tf32
from whet.model.adapter import add_adapter, causal_lm
from whet.model.adapter_options import told_adapter
from whet.model.architecture_proof import install_forest
from whet.model.base import Base, context_of, load_base, load_config, load_tokenizer, random_base, told_base
from whet.model.folder import save_model
from whet.model.memory import keep_few_kernels, keep_freed_memory
from whet.model.policy import Policy
from whet.model.precision import choose_dtype, device
from whet.model.quantised.nf4 import bitsandbytes
from whet.observer import Observer
from whet.recipe.bases import gguf_base
from whet.recipe.conflicts.keep import refuse_keep_contradictions
from whet.recipe.external import is_function
from whet.recipe.methods.rollouts import Rollouts
from whet.recipe.rules import Choice, Facts, resolve
from whet.recipe.schema import Bake, Classify, Distil, Dpo, HeadMethod, Kto, Pretrain, Recipe, Sft, UnitTests
from whet.recipe.sections.keep import BASE
from whet.rewards.combine import build_rewards
from whet.rewards.sandbox.process import refuse_bare_root, told_layers
from whet.rewards.user_function import load_metric
from whet.store.environment import environment
from whet.store.run import Run
from whet.training.changed_files import refuse_changed_base, told_accepted
from whet.training.checkpoint import Progress, load_best, path_of, resumed
from whet.training.classifier_folder import save_headed
from whet.training.hooks import Checkpointer, Validator, mean_loss
from whet.training.learners import kto
from whet.training.learners.distil import Distilling
from whet.training.learners.headed import add_head_for, head_method, head_reading
from whet.training.learners.next_token import BatchSource, NextToken
from whet.training.learners.on_policy import OnPolicy
from whet.training.learners.preference import Preference, first_reading, references
from whet.training.learners.rewarded import rewarded_method
from whet.training.learners.taught import baking_method, distilling_method
from whet.training.loop import Method, train_loop
from whet.training.material import Material, gather, settle_method
from whet.training.memory_check import rehearse
from whet.training.micro_batch import micro_here
from whet.training.optimizers.master_weights import MasterOptimizer
from whet.training.optimizers.rate_hold import hold_of
from whet.training.reference_logprobs import key_of
from whet.training.retention.learner import Keeping
from whet.training.retention.replay import open_replay
from whet.training.self_check import Reading, SelfCheck, sample_of, self_check, token_reading
from whet.training.step_log import StepLog
from whet.types import Batch

READING_REFERENCES = "reading what the base says of the answers"


@dataclass(slots=True)
class Session:
    """Everything a run needs, ready to train."""

    recipe: Recipe
    run: Run
    base: Base | None
    """Loaded when it is needed: an evaluation opens the trained model instead."""
    renderer: Renderer
    material: Material


@dataclass(slots=True)
class Trained:
    policy: Policy
    progress: Progress
    check: SelfCheck
    seconds: float
    tokens_per_second: float
    """Of the optimiser steps alone, as each step says it: without loading, validations and checkpoints."""


def open_session(
    recipe: Recipe, run: Run, observer: Observer, refuse: Callable[[Recipe, Material], object] | None = None
) -> Session:
    """Data, base and resolved recipe; writes recipe, choices, ledger and environment into the run. `refuse` may still
    speak against the data before the base is loaded.

    A run that was resolved before keeps its choices: a resumed run must not depend on a new measurement.
    """
    keep_few_kernels()
    if recipe.quantise:
        bitsandbytes()  # its absence is told before the data is read
    refuse_unready(recipe)
    run.refuse_damaged_files()
    run.set_status("preparing")
    run.write_json("environment.json", environment())
    if gguf_base(recipe.base):
        observer.phase("unpacking the GGUF file")
    told = told_base(recipe.base)
    observer.phase("reading the data")
    config = load_config(recipe.base, recipe.trust_remote_code)
    tokenizer = load_tokenizer(recipe.base, recipe.trust_remote_code)
    renderer = Renderer(tokenizer, clock=_clock(run))
    material = gather(with_context(recipe, config), tokenizer, renderer, run.folder.parent / "cache", observer)
    run.refuse_other_rows(material.ledger.rows_jsonl())
    run.write_json("ledger.json", material.ledger.summary() | run.accepted())
    run.write_lines("rows.jsonl", material.ledger.rows_jsonl())
    for note in [*told, *walls(recipe), *material.notes, *told_accepted(run)]:
        observer.note(note)
    recipe, choices = settle_method(recipe, material)
    refuse_keep_contradictions(recipe, "recipe")
    if refuse is not None:
        refuse(recipe, material)
    session = Session(recipe, run, None, material.renderer, material)
    if not (run.folder / "recipe.resolved.yaml").exists():
        _resolve(session, config.hidden_size, choices, observer)
    return session


def refuse_unready(recipe: Recipe) -> None:
    """Before the data is read: what is wrong with rewards, a metric of the user's own, or the key of a judge, and what
    this machine cannot do. Raises RecipeError, InputError."""
    refuse_no_tf32(recipe.tf32, device())
    if isinstance(recipe.method, Rollouts):
        build_rewards(recipe.method.rewards)
    if recipe.evaluate.wins:
        build_rewards(recipe.evaluate.wins)
    if is_function(recipe.evaluate.metric):
        load_metric(recipe.evaluate.metric)
    if recipe.evaluate.judge and recipe.evaluate.judge.key:
        secret_of(recipe.evaluate.judge.key)


def walls(recipe: Recipe) -> list[str]:
    """Where the recipe runs code that a model wrote: what shuts it in on this machine. Raises InputError where nothing
    does."""
    rewards = [*(recipe.method.rewards if isinstance(recipe.method, Rollouts) else ()), *(recipe.evaluate.wins or ())]
    tests = [reward for reward in rewards if isinstance(reward, UnitTests)]
    for reward in tests:
        refuse_bare_root(reward.as_root)
    return [told_layers()] if tests else []


def _clock(run: Run) -> datetime:
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
    session.base = load(recipe, dtype, observer)
    session.recipe, choices = resolve(recipe, _facts(session, session.base, dtype))
    if recipe.dtype == "auto":
        session.recipe.dtype = "bfloat16" if dtype == torch.bfloat16 else "float32"
        choices.append(Choice("dtype", session.recipe.dtype, dtype_reason))
    run.write_json("choices.json", [dataclasses.asdict(choice) for choice in [*before, *choices]])
    run.write_recipe(session.recipe)


def _facts(session: Session, base: Base, dtype: torch.dtype) -> Facts:
    recipe, material = session.recipe, session.material
    parameters = sum(p.numel() for p in base.model.parameters())
    micro = None
    if recipe.micro_batch_tokens is None:
        config = base.model.config
        micro = micro_here(recipe, config, material.longest(with_context(recipe, config)), dtype, device())
    return material.facts(recipe, base.hidden_size, parameters, base.context, micro)


def with_context(recipe: Recipe, config: Any) -> Recipe:
    """The recipe with the lengths that the base allows filled in: the data cannot be cut without them."""
    recipe = recipe.model_copy(deep=True)
    context = context_of(config)
    limit = context if getattr(config, "max_position_embeddings", None) else None
    _refuse_longer("max_tokens", recipe.max_tokens, limit, recipe)
    recipe.max_tokens = recipe.max_tokens or context
    if isinstance(recipe.method, Pretrain):
        _refuse_longer("method.context", recipe.method.context, limit, recipe)
        recipe.method.context = recipe.method.context or min(context, 1024)
    return recipe


def _refuse_longer(key: str, asked: int | None, limit: int | None, recipe: Recipe) -> None:
    """Beyond its context a base reads noise, or nothing at all; `limit` is None where it does not say. RecipeError."""
    if asked is not None and limit is not None and asked > limit:
        what = f"more than the {limit:,} tokens that the base {recipe.base!r} can see"
        raise RecipeError(what, where=key, value=asked, fix=f"set {key}: {limit} or less, or use another base")


def load(recipe: Recipe, dtype: torch.dtype, observer: Observer) -> Base:
    """The base of a recipe on this machine's device."""
    observer.phase("loading the base")
    if isinstance(recipe.method, Pretrain) and recipe.method.from_scratch:
        base = random_base(recipe.base, dtype, recipe.seed, recipe.trust_remote_code)
    else:
        return load_base(recipe.base, dtype, recipe.trust_remote_code, recipe.quantise, device())
    base.model.to(device())
    return base


def train(session: Session, observer: Observer, sealed: Iterable[str] = ()) -> Trained:
    """Train, or go on where a killed run stopped; leaves the best weights in the policy and in run/model.

    `sealed` are prompts that are measured afterwards, and so must not be replayed.
    """
    recipe, run = session.recipe, session.run
    assert recipe.steps and recipe.learning_rate and recipe.checkpoint_every
    began = time.perf_counter()
    run.set_status("training")
    keep_freed_memory()
    base = session.base or load(recipe, getattr(torch, recipe.dtype), observer)
    refuse_changed_base(run, base)
    observer.phase("preparing the model")
    install_forest(base.model)
    replay = open_replay(recipe, run, base, session.renderer, sealed, observer)
    observer.phase("adding what is trained")
    for note in told_adapter(base.model, recipe.adapter):
        observer.note(note)
    model = add_adapter(base.model, recipe.adapter, recipe.seed)
    model.train()
    policy = Policy(model)
    reading = _reading(session, policy)
    torch.manual_seed(recipe.seed)

    observer.phase("proving the fast path")
    loader = session.material.loader(recipe)
    first = loader.step(0)[0]
    check = _proved_path(session, policy, first, reading, observer)
    observer.phase("trying the largest step")
    longest = next(iter(session.material.validation(recipe)), None)
    rehearse(policy, loader.largest(), longest, recipe.optimizer, reading.fast)

    observer.phase("preparing the method")
    method = method_of(session, base, policy, loader, check.path, observer)
    optimizer = MasterOptimizer(
        policy.trainable(), recipe.optimizer, recipe.learning_rate, recipe.steps, recipe.schedule
    )
    progress = resumed(run, optimizer, recipe.steps, observer)
    if isinstance(method, OnPolicy):
        method.state = progress.state
    optimizer.turned = progress.turned
    validator = _validator(session, policy, method, progress, optimizer, observer)
    if progress.best_step < 0:
        observer.phase("validating the base")
        validator.measure(0)  # the base is checkpoint 0, and may win
    saver = Checkpointer(optimizer, run, progress, recipe.checkpoint_every, recipe.steps, check.path)
    observer.phase("training", validator.expected(progress.step))
    log = StepLog(run, observer, validator, isinstance(method, OnPolicy | Distilling))
    keep = recipe.keep
    held = replay or (keep.kl and not keep.replays)  # a KL meant for the replay is not taken on the answers instead
    learner = Keeping(method, policy, replay, keep.kl or 0.0, keep.replay == BASE) if held else method
    if not progress.stopped:
        with products_in_tf32(recipe.tf32):
            progress.step = train_loop(learner, optimizer, recipe.steps, log, [validator, saver], progress.step)
    observer.phase("saving the best weights")
    load_best(run.checkpoint("best"), policy.trainable())
    policy.model.eval()
    _refuse_broken(policy, NextToken(policy, loader) if isinstance(method, OnPolicy) else method, first)
    if isinstance(method, OnPolicy):
        method.finish()
    if isinstance(recipe.method, HeadMethod):
        save_headed(run, base, policy, session.renderer, recipe, session.material)
    else:
        save_model(run, base, policy, session.renderer, recipe)
    seconds = time.perf_counter() - began
    return Trained(policy, progress, check, seconds, log.tokens_per_second)


def _validator(
    session: Session,
    policy: Policy,
    method: Method,
    progress: Progress,
    optimizer: MasterOptimizer,
    observer: Observer,
) -> Validator:
    recipe = session.recipe
    assert recipe.steps and recipe.evaluate.every
    return Validator(
        policy,
        method.loss,
        lambda: _validation(session, method),
        session.run,
        progress,
        observer,
        recipe.evaluate.every,
        recipe.steps,
        recipe.evaluate.patience,
        recipe.evaluate.early_stop,
        method.reward if isinstance(method, OnPolicy) and method.validation else None,
        isinstance(recipe.method, Sft | Classify),
        hold_of(recipe.schedule, recipe.steps),
        optimizer,
    )


def _reading(session: Session, policy: Policy) -> Reading:
    """How the method reads a batch; a method with a head gets its head here."""
    if not isinstance(session.recipe.method, HeadMethod):
        return token_reading(policy)
    add_head_for(session.recipe, session.material.prepared, policy)
    return head_reading(policy)


def _proved_path(session: Session, policy: Policy, first: Batch, reading: Reading, observer: Observer) -> SelfCheck:
    """The fastest way through the model that is proved right on rows of the first batch, set up as the recipe asks; of
    a run that is resumed, the way it took before. Raises ProofError where that cannot be taken."""
    recipe = session.recipe
    wanted = "forest" if recipe.compile and recipe.attention == "auto" else recipe.attention
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


def method_of(
    session: Session, base: Base, policy: Policy, loader: BatchSource, path: str, observer: Observer
) -> Method:
    """The recipe's method. The policy must still be as it was before the first step: dpo and kto read the base through
    it."""
    recipe, run, material = session.recipe, session.run, session.material
    if isinstance(recipe.method, Rollouts):
        return rewarded_method(recipe, material.prepared, base, policy, loader, run, observer)
    if isinstance(recipe.method, Bake):
        return baking_method(recipe.method, material.prepared, policy, loader)
    if isinstance(recipe.method, Distil):
        return distilling_method(recipe, material.prepared, base, policy, loader, run, path, observer)
    if isinstance(recipe.method, HeadMethod):
        return head_method(recipe.method, material.prepared, policy, loader)
    if not isinstance(recipe.method, Dpo | Kto):
        return NextToken(policy, loader)
    assert isinstance(loader, Loader) and recipe.steps
    if isinstance(recipe.method, Dpo) and not needs_reference(recipe.method):
        return Preference(policy, loader, recipe.method, None)
    observer.phase(READING_REFERENCES)
    key = key_of(
        recipe, base.fingerprint, session.renderer.fingerprint, material.ledger.rows_jsonl(), path, str(policy.device)
    )
    folder = run.folder / "reference"
    if isinstance(recipe.method, Kto):
        batches = kto.everything_read(loader, list(material.validation(recipe)), recipe.steps)
        marks = material.marks
        return kto.Marked(policy, loader, recipe.method, marks, kto.references(folder, key, policy, batches))
    batches = first_reading(loader, material.validation(recipe), recipe.steps)
    return Preference(policy, loader, recipe.method, references(folder, key, policy, batches))


def _validation(session: Session, method: Method) -> Iterable[Batch]:
    if isinstance(method, Distilling):
        return method.held_out()
    batches = session.material.validation(session.recipe)
    return method.validation(list(batches)) if isinstance(method, kto.Marked) else batches


def _refuse_broken(policy: Policy, method: Method, batch: Batch) -> None:
    """The last update can break the weights where no validation follows it. Raises NonFiniteError."""
    loss = mean_loss(policy, method.loss, [batch])
    if loss is None or not math.isfinite(loss):
        fix = "lower learning_rate, or set dtype: float32"
        raise NonFiniteError("the loss after the last step is not finite", where="last step", value=loss, fix=fix)
