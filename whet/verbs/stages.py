"""The stages of a tune, one after the other: what is said before it, training, evaluation, the register of models."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import torch

from whet.data.prepare import Prepared, prepared_of
from whet.errors import DataError, count
from whet.evaluation import decision
from whet.evaluation.contest import contest_between, open_contest
from whet.evaluation.forgetting.suites import measured_prompts
from whet.evaluation.goal import format_provable, provable
from whet.evaluation.leaks import with_leaks
from whet.evaluation.record import MADE_OF, made_of
from whet.evaluation.studies.frontier import general_prompts, measure_frontier, task_rows
from whet.evaluation.studies.interpolation import choose_nearer
from whet.methods import method_of
from whet.model.accelerator import forget_peak, peak_memory
from whet.model.base import locate
from whet.model.folder import read_facts
from whet.model.open import open_trained
from whet.model.precision import device
from whet.observer import Observer
from whet.recipe.conflicts.keep import no_nearer
from whet.recipe.schema import Recipe
from whet.reports.frontier_chart import draw
from whet.reports.model_card import write_card
from whet.reports.report import write_report
from whet.stats.paired import cluster_sizes
from whet.stats.power import power_facts
from whet.store import registry
from whet.store.atomic import write_text
from whet.store.run import Run
from whet.training.learners.rollout import TAMPERED
from whet.training.rescale import rescale
from whet.training.retention.replay import LEDGER as REPLAY_LEDGER
from whet.training.session import Session, train
from whet.verbs.findings import leaks_in


def state_power(session: Session, observer: Observer) -> None:
    """Before anything is trained: what the test rows will be able to show."""
    if session.source.plain_text:
        return  # held-out text counts in blocks, of which there are many or the run was refused
    recipe, source = session.recipe, prepared_of(session.source)
    observer.note(power_facts(cluster_sizes(source.test_rows))["sentence"])
    if recipe.goal:
        for line in format_provable(provable(recipe.goal, source.test_rows)):
            observer.note(line)


def trained(session: Session, observer: Observer) -> dict[str, Any]:
    """Train and let go of the model: what is evaluated is what was saved, loaded afresh."""
    if (session.run.model / "whet.json").exists() and (session.run.folder / "training.json").exists():
        observer.note("trained already; the same recipe and data give the same weights")
        scaled(session, observer)
        write_card(session.run)
        return effort_so_far(session.run)

    sealed = list(measured_prompts(session.recipe, session.source, locate(session.recipe.base)))
    forget_peak(device())
    done = train(session, observer, [*sealed, *choosing_prompts(session)])
    stopped = {
        "reason": done.progress.stopped,
        "step": done.progress.step,
        "best_step": done.progress.best_step,
        **session.method.best(done.progress.best_loss),
    }
    effort = {
        "stopped": stopped,
        "seconds": done.seconds,
        "tokens_per_second": done.tokens_per_second,
        "peak_memory_bytes": peak_memory(device()),
        "peak_memory_of": device().type,
        "threads": torch.get_num_threads(),
    }

    if tampered := round(sum(line.get(TAMPERED, 0) for line in session.run.metrics())):
        effort["tampered"] = tampered
        observer.note(f"{count(tampered, 'answer')} written in training tampered with the tests; each scored 0")

    session.run.write_json("training.json", effort)
    session.base = None
    del done
    gc.collect()
    scaled(session, observer)
    write_card(session.run)

    return effort


def choosing_prompts(session: Session) -> list[str]:
    """Before anything is trained: the general prompts that a scale will be chosen on, which must not be learned; and
    whether it can be chosen at all. Raises DataError, RecipeError."""
    recipe = session.recipe
    if recipe.keep.scale != "auto":
        return []
    source = prepared_of(session.source)
    task_rows(recipe, source)
    return [one.words for one in general_prompts(recipe, source, session.renderer, locate(recipe.base))]


def scaled(session: Session, observer: Observer) -> None:
    """Bring the saved model nearer to its base, where the recipe asks for it; `auto` chooses on validation rows."""
    run, scale = session.run, session.recipe.keep.scale
    if scale == "auto":
        if "scale" in read_facts(run.model):
            return
        found = frontier_of(session, observer)
        scale = found["scale"]
        observer.note(f"keep.scale: {scale:g} of the way from base to tuned, {found['why']}")

    if scale != 1.0:
        rescale(run.model, scale, session.recipe.trust_remote_code)


def frontier_of(session: Session, observer: Observer) -> dict[str, Any]:
    """Measures the curve, and writes frontier.json and frontier.svg into the run. Raises DataError, RecipeError."""
    run, recipe, source = session.run, session.recipe, session.source
    if source.plain_text:
        fix = "compare whole runs: whet runs diff ONE OTHER"
        raise DataError("text has no answers that scales could be compared by", where=f"run {run.name}", fix=fix)

    observer.phase("measuring the way from base to tuned")
    opened = open_trained(run, renderer=None, trust_remote_code=recipe.trust_remote_code)
    found = measure_frontier(contest_between(session, opened, observer))
    found = {"run": run.name, **found, "svg": str(run.folder / "frontier.svg")}
    run.write_json("frontier.json", found)
    write_text(run.folder / "frontier.svg", draw(found))

    return found


def nearer_of(session: Session, below: float, observer: Observer) -> dict[str, Any]:
    """The point of a second try, chosen on what nothing else reads; writes nearer.json into the run."""
    observer.phase("choosing a point nearer to the base")
    found = choose_nearer(open_contest(session, observer), below)
    session.run.write_json("nearer.json", found)
    return found


def effort_so_far(run: Run) -> dict[str, Any]:
    return run.read_json("training.json", "stopped", "seconds", "peak_memory_bytes")


def evaluated(session: Session, effort: dict[str, Any], observer: Observer) -> dict[str, Any]:
    run, recipe, source = session.run, session.recipe, session.source
    began, of = time.perf_counter(), made_of(run)
    forget_peak(device())
    run.set_status("evaluating")
    observer.phase("opening base and tuned")
    measured, lines = method_of(recipe).measure(session, observer)
    run.write_lines("answers.jsonl", lines)

    if isinstance(source, Prepared):
        measured = with_leaks(measured, lines, leaks_in(session, observer), recipe.seed)

    observer.phase("writing the report")
    own = {"evaluation_seconds": time.perf_counter() - began, "evaluation_peak_memory_bytes": peak_memory(device())}
    result: dict[str, Any] = {**head(session), **measured, **effort, **own, **as_its_base(recipe, effort)}

    if made_of(run) == of:  # what changed meanwhile was measured in part, and is measured again
        result[MADE_OF] = of
    result["ship"] = decision.decide(result)
    result["report"] = str(run.folder / "report.html")
    run.write_json("evaluation.json", result)
    write_report(run)
    write_card(run)

    return run.read_json("evaluation.json")


def as_its_base(recipe: Recipe, effort: dict[str, Any]) -> dict[str, bool]:
    """`is_base` where no step was better than the start: what was saved then is the base."""
    started_as_base = not (recipe.method.has_head or recipe.method.random_start)
    if started_as_base and effort.get("stopped", {}).get("best_step") == 0:
        return {"is_base": True}
    return {}


def head(session: Session) -> dict[str, Any]:
    ledger = session.source.ledger.summary() | session.run.accepted()
    if session.recipe.keep.replays:
        ledger["replay"] = session.run.read_json(REPLAY_LEDGER)

    source = session.source
    if source.apart:
        apart = {"apart": source.apart}
    else:
        apart = {}

    return {
        "run": session.run.name,
        "model": session.recipe.base,
        "method": f"{session.recipe.method.kind} ({session.recipe.adapter.kind})",
        "ledger": ledger,
        **({"no_nearer": why} if (why := no_nearer(session.recipe)) else {}),
        **apart,
    }


def register(run: Run, result: dict[str, Any], root: Path, observer: Observer) -> None:
    """Every finished tune becomes a version of a named model; it is put in use only if `decide` says yes."""
    name = registry.name_for(run, root)
    version = registry.register(name, run, registry.facts_of(result), root)

    decided = decision.decide(result)
    if decided["answer"] == "yes":
        registry.promote(name, version, root)
        observer.note(f"registered and in use as {name}@{version}")
    else:
        observer.note(f"registered as {name}@{version}, not put in use (whet models promote {name} {version} does)")


def reregister(run: Run, result: dict[str, Any], observer: Observer, only_new: bool = False) -> None:
    """After a run is measured again: what the list of models says of it. What is in use stays in use, and is told where
    it should not be; with `only_new` only where the list said otherwise before."""
    decided = decision.decide(result)
    for name, version, new in registry.measured_again(run, result):
        if only_new and not new:
            continue
        in_use = registry.find_model(name, run.folder.parent).current == version
        said = f"{name}@{version} is this run: its verdict in the list of models is the new one"

        if in_use and decided["answer"] != "yes":
            said += f", and it is in use. {decided['sentence']} Take it back: whet models roll-back {name}"
        elif not in_use and decided["answer"] == "yes":
            said += f". Put it in use: whet models promote {name} {version}"
        observer.note(said)
