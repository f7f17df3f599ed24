"""What is asked about runs: would a prompt do, would more rows help, what fails, what did it cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from whet.data.prepare import prepared_of, read_rows
from whet.errors import InputError
from whet.evaluation.comparison.comparison import (
    FOLDER,
    compare_arms,
    needs_training,
    refuse_other_recipe,
    refuse_too_late,
    refuse_uncomparable,
)
from whet.evaluation.metrics.turns import turns_of_row
from whet.evaluation.studies.curve_runs import (
    measure_curve,
    recipe_for_share,
    refuse_no_curve,
    refuse_other_scores,
    reuse_judgements,
)
from whet.evaluation.studies.failures import failures_of
from whet.evaluation.studies.learning_curve import SHARES
from whet.evaluation.studies.unit_scores import refuse_other_scale
from whet.evaluation.studies.validation_answers import (
    refuse_without_answers,
)
from whet.methods import method_of
from whet.model.folder import read_facts
from whet.observer import Observer, Silent, watched_by
from whet.recipe.conflicts.keep import no_nearer, refuse_keep_contradictions
from whet.recipe.keywords import in_python
from whet.recipe.schema import Recipe
from whet.recipe.sections.adapters import no_part_of_the_way, refuse_adapter_contradictions
from whet.reports.collection_list import collection_list
from whet.reports.comparison import write_compare_report
from whet.reports.curve_picture import svg
from whet.reports.report import write_report
from whet.reports.result import CompareResult, CurveResult, FrontierResult, Result, RunResult
from whet.stats.paired import clusters_of
from whet.store import registry
from whet.store.atomic import write_text
from whet.store.run import DEFAULT_ROOT, Run
from whet.training.rescale import copy_at_scale
from whet.training.session import Session, open_session
from whet.verbs.inputs import Input, gathered, recipe_of
from whet.verbs.main_job import finished, tune
from whet.verbs.stages import frontier_of, nearer_of, register


@in_python
def curve(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    out: Path | str | None = None,
    **overrides: Any,
) -> CurveResult:
    """Tune on an eighth, a quarter, half and all of the training rows, and forecast what twice as many would bring.

    Each share is a run of its own, and the smaller ones lie in the larger; all are measured on the same test rows. The
    run of all rows is the one that `tune` makes, and keeps curve.json and curve.svg. `out` is another name of
    `run_root`.
    """
    run_root = run_root if out is None else out
    recipe, observer = recipe_of(data, overrides, run_root), observer or Silent()
    source = gathered(recipe, run_root, observer)
    refuse_no_curve(recipe, source.ledger.summary()["trained"])
    refuse_other_scale(recipe.evaluate.metric, prepared_of(source).test_rows, "a learning curve is drawn over shares")
    whole = Run.create(Path(run_root), recipe, name)

    runs = []
    for share in sorted(SHARES, reverse=True):
        observer.note(f"training on {share:.3g} of the training rows")
        if share == 1:
            part = whole
        else:
            part = Run.create(Path(run_root), recipe_for_share(recipe, share), f"{whole.name}-{share:g}")

        if part is not whole:
            reuse_judgements(whole, part)
        result, fresh = finished(part, observer)
        runs.append((part, result))

        if part is whole and fresh:
            register(whole, result, Path(run_root), observer)
        if part is whole:
            refuse_other_scores(whole, result["metric"]["name"])

    facts = measure_curve(runs[::-1], clusters_of(source.test_rows), recipe.seed)
    whole.write_json("curve.json", facts)
    write_text(whole.folder / "curve.svg", svg(facts))
    write_report(whole)

    return CurveResult(facts | {"run": whole.name, "picture": str(whole.folder / "curve.svg")})


@in_python
def failures(run: Run | str | Path, run_root: Path | str = DEFAULT_ROOT, observer: Observer | None = None) -> Result:
    """Where a tuned model fails on the validation rows, and what to collect; writes failures.json and collect.md.

    The test rows are not looked at. Raises InputError for runs that learn no answers.
    """
    found = registry.find_run(run, run_root)
    observer = observer or Silent()
    refuse_without_answers(found.recipe)
    read_facts(found.model)
    found.refuse_changed_data()

    with found.looked_into(), watched_by(observer):
        result = _failed_on_validation(open_session(found.recipe, found, method_of, observer), observer)
    observer.done()
    return Result(result)


def _failed_on_validation(session: Session, observer: Observer) -> dict[str, Any]:
    """The facts of failures.json, which it writes with its list for people."""
    run, recipe, prepared = session.run, session.recipe, prepared_of(session.source)
    observer.phase("asking the tuned model")
    name, asked = method_of(recipe).validation_answers(session, observer)
    trained = []
    for row in read_rows(recipe, prepared, ("trained",)):
        for turn in turns_of_row(row):
            trained.append(turn)
    found = failures_of(asked, trained)
    result = {"run": run.name, "metric": name} | found | {"list": str(run.folder / "collect.md")}
    run.write_json("failures.json", result)
    write_text(run.folder / "collect.md", collection_list(result))

    return result


@in_python
def compare(
    data: Input,
    run: Run | str | Path | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    out: Path | str | None = None,
    **overrides: Any,
) -> CompareResult:
    """Prompting, examples, retrieval, tuning and other models on the same test rows, and what to do.

    `run` is a finished run of the same data; without it, the run that `tune` makes of this recipe, tuned first where it
    is not yet. The same call again asks only for answers that are missing. `out` is another name of `run_root`.
    """
    run_root = run_root if out is None else out
    recipe, observer = recipe_of(data, overrides, run_root), observer or Silent()
    refuse_uncomparable(recipe)
    source = prepared_of(gathered(recipe, run_root, observer))
    refuse_too_late(recipe, source)

    if run is None:
        found = Run.create(run_root, recipe, name)
        if needs_training(recipe) and not (found.folder / "evaluation.json").exists():
            tune(recipe, run_root, name, observer)
    else:
        found = registry.find_run(run, run_root)
        refuse_other_recipe(recipe, found)

    finished_before = (found.folder / "evaluation.json").exists()
    with found.looked_into() if finished_before else found.at_work(), watched_by(observer):
        session = open_session(found.recipe, found, method_of, observer)
        result = compare_arms(session, recipe.compare, observer)
        write_compare_report(found.folder / FOLDER)

        if not finished_before:
            found.set_status("done")

    observer.done()
    return CompareResult(result)


@in_python
def frontier(
    run: Run | str | Path,
    prompts: str | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> FrontierResult:
    """Task score against general score on the way from base to tuned; writes frontier.json and frontier.svg."""
    found = registry.find_run(run, run_root)
    observer = observer or Silent()
    refuse_no_way(found.recipe, found.name)

    if prompts is not None and not prompts.strip():
        raise InputError("the name of the file is empty", where="prompts", fix="name a file of general prompts")
    if "scale" in read_facts(found.model):
        what, fix = "this run stands on the way already", "take the run that it was made from"
        raise InputError(what, where=f"run {found.name}", value=f"scale {read_facts(found.model)['scale']}", fix=fix)

    found.refuse_changed_data()
    refuse_scale(found, "auto")

    with found.looked_into(), watched_by(observer):
        session = open_session(found.recipe, found, method_of, observer)
        if prompts is None:
            session.recipe.keep.prompts = session.recipe.keep.prompts
        else:
            session.recipe.keep.prompts = prompts
        result = frontier_of(session, observer)

    observer.done()
    return FrontierResult(result)


def refuse_no_way(recipe: Recipe, name: str) -> None:
    """Raises InputError for a run whose model is no base that moved a part of the way."""
    if refused := recipe.method.why_not("frontier", recipe):
        raise InputError(refused.what, where=f"run {name}", fix=refused.fix)
    if why := no_part_of_the_way(recipe.adapter):
        raise InputError(why, where=f"run {name}", fix="take a run without that option of the adapter")


@in_python
def take(
    run: Run | str | Path, scale: float, run_root: Path | str = DEFAULT_ROOT, observer: Observer | None = None
) -> RunResult:
    """The run at `scale` of the way from base to tuned, as a run of its own: nothing is trained, all is measured."""
    found = registry.find_run(run, run_root)
    refuse_no_way(found.recipe, found.name)

    if not 0 < scale <= 1:
        fix = "give a number above 0, which is the base itself, and at most 1, which is the model as it was trained"
        raise InputError("there is no such point between base and tuned", where="scale", value=scale, fix=fix)

    read_facts(found.model)
    found.refuse_changed_data()
    recipe = found.asked.model_copy(deep=True)
    recipe.keep.scale = scale
    refuse_scale(found, scale)

    made = Run.create(run_root, recipe)
    with made.at_work():
        copy_at_scale(found, made, scale)
    return tune(recipe, run_root, observer=observer)


TRIES = 2
"""Second tries at most: each is looked at on the test rows once more, and a third would be fishing."""


def until_kept(result: RunResult, run_root: Path | str, observer: Observer | None = None) -> RunResult:
    """The result, or where a budget is broken or unclear that of a point nearer to the base: nothing is trained again.

    `tries` of the result names each run with its scale and its answer, the first one included.
    """
    observer = observer or Silent()
    trained, below = registry.find_run(str(result["run"]), run_root), 1.0

    tries = [_tried(result, 1.0)]
    while _forgot(result) and len(tries) <= TRIES:
        if why := _no_second_try(trained):
            observer.note(f"no second try: {why}")
            break

        with trained.looked_into():
            found = nearer_of(open_session(trained.recipe, trained, method_of, observer), below, observer)

        if found["scale"] is None:
            observer.note(f"no second try: {found['why']}")
            break

        below = float(found["scale"])
        observer.note(f"second try, {below:g} of the way from base to tuned: {found['why']}")
        result = take(trained, below, run_root, observer)
        tries.append(_tried(result, below))

    return RunResult(result | {"tries": tries}, result.folder)


def _forgot(result: dict[str, Any]) -> bool:
    """Better at its task, and over a budget elsewhere, or perhaps."""
    decided = result["ship"]
    return result["verdict"]["word"] == "better" and bool(decided["broken"] or decided["unclear"])


def _no_second_try(run: Run) -> str:
    """Why there is no point nearer to the base to take; empty where there is one."""
    return no_nearer(run.recipe) or ("this run stands on the way already" if "scale" in read_facts(run.model) else "")


def _tried(result: dict[str, Any], scale: float) -> dict[str, Any]:
    return {"run": result["run"], "scale": scale, "answer": result["ship"]["answer"]}


def refuse_scale(run: Run, scale: float | Literal["auto"]) -> None:
    """Raises RecipeError for a run whose method has no such point on the way from base to tuned."""
    recipe = run.recipe
    scaled = recipe.model_copy(update={"keep": recipe.keep.model_copy(update={"scale": scale})})
    refuse_keep_contradictions(scaled, f"run {run.name}")
    refuse_adapter_contradictions(scaled, f"run {run.name}")
