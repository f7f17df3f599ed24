"""The same recipe and data on another base, held against the live version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.errors import InputError, ModelError
from whet.evaluation.preflight.refusals import refuse_before_data
from whet.methods import method_of
from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python
from whet.recipe.schema import Recipe
from whet.reports.result import Result
from whet.retraining.bases import AnswerCost, forgotten, measure_cost, recommend, shared_lines, unmeasured
from whet.retraining.verdict import judge, judge_part
from whet.store.run import DEFAULT_ROOT, Run
from whet.store.unchanged import refuse_changed_data
from whet.training.session import open_session
from whet.verbs.inputs import recipe_of
from whet.verbs.steps.main_job import finish_run
from whet.verbs.upkeep.next_version import LiveVersion, find_live, make_live, note_origin, register_next

REBASED = "rebased.json"


@in_python
def rebase(
    model: Run | str | Path, base: str, run_root: Path | str = DEFAULT_ROOT, observer: Observer | None = None
) -> Result:
    """Tunes the recipe and the data of a named model on another base: an adapter of one base fits no other, so it is
    trained again. Compares both on the rows that both held out, with what an answer costs and what was lost elsewhere,
    and registers a candidate. The same call again goes on, or gives the finished result.

    Raises InputError for the base that it has already, for scores that depend on the tokenizer, and for a base on which
    the recipe cannot work; RunFolderError where the data has changed (retrain first).
    """
    root, observer = Path(run_root), observer or Silent()
    live = find_live(model, root)
    recipe = recipe_on(live, base)
    refuse_changed_data(live.run)
    refuse_before_data(recipe, method_of(recipe), root)

    run = Run.create(root, recipe)
    note_origin(run, live, "rebased", recipe.base)
    result, _ = finish_run(run, observer)
    version = register_next(live, run, result, root)
    if not (run.folder / REBASED).exists():
        facts = _compare(live, run, result, observer)
        with run.reading():
            run.write_json(REBASED, facts)

    facts = run.read_json(REBASED, "against_live", "recommendation")
    promoted = make_live(live, version, run, facts["against_live"]["word"], False, root, observer)
    observer.done()
    told = {"model": live.name, "live": live.facts(), "run": run.name, "version": version}
    return Result({**told, **facts, "promoted": promoted, "report": str(run.folder / "report.html")})


def recipe_on(live: LiveVersion, base: str) -> Recipe:
    """What was asked for, on another base. Raises InputError."""
    run = live.run
    metric = run.read_json("evaluation.json", "metric")["metric"]["name"]
    if metric == "nll":
        what = "it is measured by a likelihood of tokens, and another base cuts a text into others"
        fix = "tune it with a metric that scores answers first: --set evaluate.metric=..."
        raise InputError(what, where=f"run {run.name}", value=metric, fix=fix)

    recipe = recipe_of(run.requested, {"base": base})
    if recipe.base == run.recipe.base:
        what, fix = "this is the base that it has", f"to train it again on what is new: whet retrain {live.name}"
        raise InputError(what, where="--base", value=base, fix=fix)
    return recipe


def _compare(live: LiveVersion, run: Run, result: Any, observer: Observer) -> dict[str, Any]:
    lines, test_rows = shared_lines(live.run, run)
    if not lines:
        what = "no row is held out by both, so nothing can be compared"
        raise InputError(what, where=f"run {run.name}", fix="give a test file of your own: test")

    before = live.run.read_json("evaluation.json", "metric")
    if before["metric"]["name"] != result["metric"]["name"]:
        names = [before["metric"]["name"], result["metric"]["name"]]
        raise InputError("the two were measured by different metrics", value=names, fix="set evaluate.metric")
    part = judge_part(lines, run.recipe.seed)
    word, sentence = judge({"old": part}, None, result.get("forgetting"))

    costs: dict[str, AnswerCost] = {}
    for name, one in (("live", live.run), ("next", run)):
        observer.phase(f"asking the {'live version' if name == 'live' else 'candidate'}")
        try:
            with one.reading(), watched_by(observer):
                costs[name] = measure_cost(open_session(one.recipe, one, method_of, observer), observer)
        except ModelError as error:
            if one is run:
                raise
            costs[name] = unmeasured(one, error.what)  # why people change bases: the old one is no longer what it was

    lost = {"live": forgotten(before), "next": forgotten(result)}
    broken = (lost["next"] or {}).get("broken", [])
    do, why = recommend(word, costs["live"], costs["next"], broken)
    return {
        "bases": {"live": live.run.recipe.base, "next": run.recipe.base},
        "test_rows": test_rows,
        "against_live": {"word": word, "sentence": sentence, "metric": result["metric"]["name"], "old": part},
        "cost": costs,
        "forgetting": lost,
        "recommendation": {"do": do, "sentence": f"{why[:1].upper()}{why[1:]}."},
    }
