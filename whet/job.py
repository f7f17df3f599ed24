"""The main job: check, train, evaluate, verdict, register. And each part of it alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from whet.data.corpus import Corpus
from whet.data.prepare import Prepared
from whet.data.template import Renderer
from whet.evaluate.refusals import (
    refuse_before_data,
    refuse_before_training,
    refuse_unmeasurable,
    refuse_without_test,
)
from whet.findings import state_findings
from whet.model.base import load_config, load_tokenizer
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.recipe.trust import named_by_user
from whet.stages import (
    effort_so_far,
    evaluated,
    head,
    register,
    reregister,
    scaled,
    state_power,
    trained,
)
from whet.store import registry
from whet.store.run import DEFAULT_ROOT, Run
from whet.train.material import gather
from whet.train.observer import Observer, Silent, watched_by
from whet.train.release import read_facts
from whet.train.session import Session, open_session, with_context

CACHE = "cache"
"""Beside the runs."""
Input = Recipe | str | Path
RESULT_KEYS = ("run", "ledger", "base", "tuned", "verdict", "report")


def tune(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    accept_changed: bool = False,
    **overrides: Any,
) -> dict[str, Any]:
    """Check, train, evaluate, verdict, register. The same call again resumes, or returns the finished result; with
    `accept_changed` also where a file that the recipe names, such as a reward, has changed since."""
    run, observer = _start(data, run_root, name, observer, overrides, accept_changed)
    result, fresh = finished(run, observer)
    if fresh:
        register(run, result, Path(run_root), observer)
    return result


def train(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    accept_changed: bool = False,
    **overrides: Any,
) -> dict[str, Any]:
    """Train only. The same call again resumes; `accept_changed` as for tune."""
    run, observer = _start(data, run_root, name, observer, overrides, accept_changed)
    with run.at_work(), watched_by(observer):
        session = _opened(run, observer, verdict=False)
        state_power(session, observer)
        effort = trained(session, observer)
        run.set_status("done")
        observer.done()
    return head(session) | effort


def evaluate(
    run: Run | str | Path,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    accept_changed: bool = False,
) -> dict[str, Any]:
    """Measure a trained run on its held-out rows; writes evaluation.json, answers.jsonl and report.html."""
    found = run if isinstance(run, Run) else registry.find_run(str(run), run_root)
    observer = observer or Silent()
    read_facts(found.model)
    found.refuse_changed_data()
    found.refuse_changed_files(found.recipe, accept_changed, measured_anew=True)
    refuse_unmeasurable(found.recipe)
    with found.at_work(), watched_by(observer):
        session = open_session(found.recipe, found, observer)
        if not (found.folder / "evaluation.json").exists():
            scaled(session, observer)  # a run that was killed after its training may not have been yet
        result = evaluated(session, effort_so_far(found), observer)
        found.set_status("done")
        observer.done()
    reregister(found, result, observer)
    return result


def finished(run: Run, observer: Observer) -> tuple[dict[str, Any], bool]:
    """The result of a run, trained and evaluated where it is not yet; and whether it was made just now."""
    with run.at_work(), watched_by(observer):
        if run.status == "done" and (run.folder / "evaluation.json").exists():
            observer.note("this run is finished already; here is its result")
            return run.read_json("evaluation.json", *RESULT_KEYS), False
        session = _opened(run, observer, verdict=True)
        state_findings(session, observer)
        state_power(session, observer)
        effort = trained(session, observer)
        result = evaluated(session, effort, observer)
        run.set_status("done")
        observer.done()
    return result, True


def _opened(run: Run, observer: Observer, verdict: bool) -> Session:
    """The session of a run that is to be trained and, with `verdict`, evaluated; refused before anything is trained."""
    if (run.model / "whet.json").exists():
        if verdict:
            refuse_unmeasurable(run.recipe)
        return open_session(run.recipe, run, observer, refuse_without_test if verdict else None)
    refuse_before_data(run.recipe, run.folder.parent)
    cache = run.folder.parent / CACHE
    return open_session(run.recipe, run, observer, partial(refuse_before_training, cache=cache, verdict=verdict))


def gathered(recipe: Recipe, run_root: Path | str, observer: Observer) -> Prepared | Corpus:
    """The data as the recipe's base sees it, without its weights."""
    tokenizer = load_tokenizer(recipe.base, recipe.trust_remote_code)
    recipe = with_context(recipe, load_config(recipe.base, recipe.trust_remote_code))
    observer.phase("reading the data")
    return gather(recipe, tokenizer, Renderer(tokenizer), Path(run_root) / CACHE, observer).source


def recipe_of(data: Input, overrides: dict[str, Any]) -> Recipe:
    if isinstance(data, Recipe) and not overrides:
        named_by_user(data)
        return data
    source = data.model_dump(mode="json", exclude_none=True) if isinstance(data, Recipe) else data
    said = [(f"{key}={value}", f"keyword {key}") for key, value in overrides.items()]
    return load_recipe(source, said)  # overrides are checked, too


def _start(
    data: Input,
    root: Path | str,
    name: str | None,
    observer: Observer | None,
    overrides: dict[str, Any],
    accept_changed: bool = False,
) -> tuple[Run, Observer]:
    return Run.create(Path(root), recipe_of(data, overrides), name, accept_changed), observer or Silent()
