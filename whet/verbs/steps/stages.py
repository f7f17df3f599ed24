"""The stages of a tune, one after the other: what is said before it, training, evaluation, the register of models."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any, cast

import torch

from whet.data.prepare import prepared_of
from whet.errors import DataError, count
from whet.evaluation import decision
from whet.evaluation.contest import contest_between, open_contest
from whet.evaluation.facts import Evaluation, StoppedFacts, TrainingFacts
from whet.evaluation.forgetting.suites import measured_prompts
from whet.evaluation.goal import format_provable, provable
from whet.evaluation.leaks import with_leaks
from whet.evaluation.record import MADE_OF, made_of
from whet.evaluation.studies.frontier import FrontierFacts, general_prompts, measure_frontier, task_rows
from whet.evaluation.studies.interpolation import NearerPoint, choose_nearer
from whet.methods import method_of
from whet.model.accelerator import forget_peak, peak_memory
from whet.model.base import locate
from whet.model.open import open_trained
from whet.model.precision import device
from whet.model.saved_model import read_facts
from whet.observer import Observer
from whet.recipe.conflicts.keep import no_nearer
from whet.recipe.schema import Recipe
from whet.reports.frontier_chart import draw
from whet.reports.model_card import write_card
from whet.reports.report import write_report
from whet.stats.paired import cluster_sizes
from whet.stats.power import power_facts
from whet.store import model_registry
from whet.store.atomic import write_text
from whet.store.checksums import seal_lines
from whet.store.run import METRICS, Run
from whet.store.unchanged import accepted_changes
from whet.training.learners.rollout import TAMPERED
from whet.training.rescale import rescale
from whet.training.retention.replay import LEDGER as REPLAY_LEDGER
from whet.training.session import Session, Trained, train
from whet.verbs.steps.findings import leaks_of_run


def report_power(session: Session, observer: Observer) -> None:
    """Before anything is trained: what the test rows will be able to show."""
    if session.source.plain_text:
        return  # held-out text counts in blocks, of which there are many or the run was refused
    recipe, source = session.recipe, prepared_of(session.source)
    observer.note(power_facts(cluster_sizes(source.test_rows))["sentence"])
    if recipe.goal:
        for line in format_provable(provable(recipe.goal, source.test_rows)):
            observer.note(line)


def train_once(session: Session, observer: Observer) -> TrainingFacts:
    """Train, unless it was done before, and let go of the model: what is evaluated is what was saved, loaded afresh.
    Gives the facts of training.json."""
    run = session.run
    if (run.model / "whet.json").exists() and (run.folder / "training.json").exists():
        observer.note("trained already; the same recipe and data give the same weights")
        rescale_if_asked(session, observer)
        write_card(run)
        return training_cost(run)

    sealed = list(measured_prompts(session.recipe, session.source, locate(session.recipe.base)))
    sealed += prompts_that_choose_a_scale(session)
    forget_peak(device())
    trained = train(session, observer, sealed)

    cost = _cost_of(session, trained)
    if "tampered" in cost:
        observer.note(f"{count(cost['tampered'], 'answer')} written in training tampered with the tests; each scored 0")
    seal_lines(run.folder, METRICS)
    run.write_json("training.json", cost)

    session.base = None
    del trained
    gc.collect()

    rescale_if_asked(session, observer)
    write_card(run)
    return cost


def _cost_of(session: Session, trained: Trained) -> TrainingFacts:
    """The facts of training.json, in its order."""
    progress = trained.progress
    stopped = {
        "reason": progress.stopped,
        "step": progress.step,
        "best_step": progress.best_step,
        **session.method.best(progress.best_loss),
    }
    cost: TrainingFacts = {
        "stopped": cast(StoppedFacts, stopped),
        "seconds": trained.seconds,
        "tokens_per_second": trained.tokens_per_second,
        "peak_memory_bytes": peak_memory(device()),
        "peak_memory_of": device().type,
        "threads": torch.get_num_threads(),
    }

    tampered = round(sum(line.get(TAMPERED, 0) for line in session.run.metrics()))
    if tampered:
        cost["tampered"] = tampered
    return cost


def prompts_that_choose_a_scale(session: Session) -> list[str]:
    """Before anything is trained: the general prompts that a scale will be chosen on, which must not be learned; and
    whether it can be chosen at all. Raises DataError, RecipeError."""
    recipe = session.recipe
    if recipe.keep.scale != "auto":
        return []
    source = prepared_of(session.source)
    task_rows(recipe, source)
    return [prompt.words for prompt in general_prompts(recipe, source, session.renderer, locate(recipe.base))]


def rescale_if_asked(session: Session, observer: Observer) -> None:
    """Bring the saved model nearer to its base, where the recipe asks for it; `auto` chooses on validation rows."""
    run, scale = session.run, session.recipe.keep.scale
    if scale == "auto":
        if "scale" in read_facts(run.model):
            return
        choice = write_frontier(session, observer)
        scale = choice["scale"]
        observer.note(f"keep.scale: {scale:g} of the way from base to tuned, {choice['why']}")

    if scale != 1.0:
        rescale(run.model, scale, session.recipe.trust_remote_code)


def write_frontier(session: Session, observer: Observer) -> FrontierFacts:
    """Measures the curve, and writes frontier.json and frontier.svg into the run. Raises DataError, RecipeError."""
    run, recipe, source = session.run, session.recipe, session.source
    if source.plain_text:
        fix = "compare whole runs: whet runs diff ONE OTHER"
        raise DataError("text has no answers that scales could be compared by", where=f"run {run.name}", fix=fix)

    observer.phase("measuring the way from base to tuned")
    opened = open_trained(run, renderer=None, trust_remote_code=recipe.trust_remote_code)
    picture = run.folder / "frontier.svg"
    measured = measure_frontier(contest_between(session, opened, observer))
    facts: FrontierFacts = {"run": run.name, **measured, "svg": str(picture)}
    run.write_json("frontier.json", facts)
    write_text(picture, draw(facts))

    return facts


def choose_nearer_point(session: Session, below: float, observer: Observer) -> NearerPoint:
    """The point of a second try, chosen on what nothing else reads; writes nearer.json into the run."""
    observer.phase("choosing a point nearer to the base")
    point = choose_nearer(open_contest(session, observer), below)
    session.run.write_json("nearer.json", point)
    return point


def training_cost(run: Run) -> TrainingFacts:
    """The facts of training.json. Raises RunFolderError for a run whose training did not end."""
    return run.read_json("training.json", "stopped", "seconds", "peak_memory_bytes")


def evaluate_run(session: Session, cost: TrainingFacts, observer: Observer) -> Evaluation:
    """Measure base and tuned, decide, and write evaluation.json, answers.jsonl, report and model card. `cost` are the
    facts of training.json. Gives those of evaluation.json."""
    run, recipe = session.run, session.recipe
    began = time.perf_counter()
    made_of_before = made_of(run)
    forget_peak(device())
    run.set_status("evaluating")
    observer.phase("opening base and tuned")
    measured, lines = method_of(recipe).measure(session, observer)
    run.write_lines("answers.jsonl", lines)

    if not session.source.plain_text:
        measured = with_leaks(measured, lines, leaks_of_run(session, observer), recipe.seed)

    observer.phase("writing the report")
    own_cost = {
        "evaluation_seconds": time.perf_counter() - began,
        "evaluation_peak_memory_bytes": peak_memory(device()),
    }
    result: dict[str, Any] = {**run_header(session), **measured, **cost, **own_cost, **as_its_base(recipe, cost)}

    if made_of(run) == made_of_before:  # what changed meanwhile was measured in part, and is measured again
        result[MADE_OF] = made_of_before
    result["ship"] = decision.decide(result)
    result["report"] = str(run.folder / "report.html")

    run.write_json("evaluation.json", result)
    write_report(run)
    write_card(run)
    return run.read_json("evaluation.json")


def as_its_base(recipe: Recipe, cost: TrainingFacts) -> dict[str, bool]:
    """`is_base` where no step was better than the start: what was saved then is the base."""
    started_as_base = not (recipe.method.has_head or recipe.method.random_start)
    if started_as_base and cost.get("stopped", {}).get("best_step") == 0:
        return {"is_base": True}
    return {}


def run_header(session: Session) -> dict[str, Any]:
    """What a result says of its run before any number: name, base, method, and where its rows went."""
    run, recipe = session.run, session.recipe
    ledger: dict[str, Any] = {**session.source.ledger.summary(), **accepted_changes(run)}
    if recipe.keep.replays:
        ledger["replay"] = run.read_json(REPLAY_LEDGER)

    header: dict[str, Any] = {
        "run": run.name,
        "model": recipe.base,
        "method": f"{recipe.method.kind} ({recipe.adapter.kind})",
        "ledger": ledger,
    }
    if why := no_nearer(recipe):
        header["no_nearer"] = why
    if session.source.apart:
        header["apart"] = session.source.apart
    return header


def register(run: Run, result: Evaluation, root: Path, observer: Observer) -> None:
    """Every finished tune becomes a version of a named model: a candidate, because no release of it was proved yet."""
    name = model_registry.name_for(run, root)
    version = model_registry.register(name, run, model_registry.facts_of(result), root)

    promoted = f"whet models promote {name} {version}"
    if decision.decide(result)["answer"] != "yes":
        observer.note(f"registered as {name}@{version}, a candidate; {promoted} would need --force")
        return
    command = f"whet export {name}@{version} --to merged, then {promoted}"
    live = model_registry.find_model(name, root).current
    if live is None:
        observer.note(f"registered as {name}@{version}, a candidate; to make it live: {command}")
    else:
        observer.note(f"registered as {name}@{version}, a candidate; {name}@{live} is live. To replace it: {command}")


def reregister(run: Run, result: Evaluation, observer: Observer, only_new: bool = False) -> None:
    """After a run is measured again: what the list of models says of it. What is live stays live, and is told where it
    should not be; with `only_new` only where the list said otherwise before."""
    shipped = decision.decide(result)
    for name, version, new in model_registry.measured_again(run, result):
        if only_new and not new:
            continue
        live = model_registry.find_model(name, run.folder.parent).current == version
        note = f"{name}@{version} is this run: its verdict in the list of models is the new one"

        if live and shipped["answer"] != "yes":
            note += f", and it is live. {shipped['sentence']} Take it back: whet models rollback {name}"
        elif not live and shipped["answer"] == "yes":
            note += f". To make it live: whet models promote {name} {version}"
        observer.note(note)
