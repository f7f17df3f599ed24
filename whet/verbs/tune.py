"""The main job: check, train, evaluate, verdict, register. And each part of it alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from whet.data.read.in_memory import holds_rows, written
from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.errors import InputError
from whet.evaluation.preflight.refusals import (
    refuse_before_data,
    refuse_before_training,
    refuse_unmeasurable,
    refuse_without_test,
)
from whet.evaluation.record import recorded
from whet.methods import method_of
from whet.model.base import load_config, load_tokenizer
from whet.model.folder import read_facts
from whet.observer import Observer, Silent, watched_by
from whet.recipe.bases import refuse_missing_base
from whet.recipe.keywords import in_python, worded
from whet.recipe.load import Keyword, load_recipe
from whet.recipe.schema import Recipe
from whet.recipe.text_keys import is_text
from whet.recipe.trust import named_by_user
from whet.recipe.yaml_text import parse
from whet.reports.report import write_report
from whet.reports.result import RunResult
from whet.store import registry
from whet.store.run import DEFAULT_ROOT, Run
from whet.training.session import Session, open_session, with_context
from whet.verbs.findings import state_findings
from whet.verbs.stages import (
    effort_so_far,
    evaluated,
    head,
    register,
    reregister,
    scaled,
    state_power,
    trained,
)

CACHE = "cache"
"""Beside the runs."""
Input = Recipe | str | Path | Iterable[Any]
"""A recipe, its path or its keys; the path of data, or rows that the program holds (whet/data/read/in_memory.py)."""
AGAIN = "--anew measures it again"
RESULT_KEYS = ("run", "ledger", "base", "tuned", "verdict", "report")


@in_python
def tune(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    accept_changed: bool = False,
    **overrides: Any,
) -> RunResult:
    """Check, train, evaluate, verdict, register. The same call again resumes, or returns the finished result; with
    `accept_changed` also where a file that the recipe names, such as a reward, has changed since."""
    run, observer = _start(data, run_root, name, observer, overrides, accept_changed)
    result, fresh = finished(run, observer)
    if fresh:
        register(run, result, Path(run_root), observer)
    return RunResult(result, run.folder)


@in_python
def train(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    accept_changed: bool = False,
    out: Path | str | None = None,
    **overrides: Any,
) -> RunResult:
    """Train only. The same call again resumes; `accept_changed` and `out` as for tune."""
    run, observer = _start(data, run_root if out is None else out, name, observer, overrides, accept_changed)
    with run.at_work(), watched_by(observer):
        session = _opened(run, observer, verdict=False)
        state_power(session, observer)
        effort = trained(session, observer)
        run.set_status("done")
        observer.done()
    return RunResult(head(session) | effort, run.folder)


@in_python
def evaluate(
    run: Run | str | Path,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    accept_changed: bool = False,
    anew: bool = False,
) -> RunResult:
    """Measure a trained run on its held-out rows; writes evaluation.json, answers.jsonl and report.html. What was
    measured already as the run is now (model, test rows, settings) is not measured again unless `anew` says so."""
    found = run if isinstance(run, Run) else registry.find_run(str(run), run_root)
    observer = observer or Silent()
    read_facts(found.model)
    found.refuse_changed_data()
    found.refuse_changed_files(found.recipe, accept_changed, measured_anew=True)
    refuse_unmeasurable(found.recipe)
    with found.at_work(), watched_by(observer):
        known = None if anew else recorded(found)
        if known is not None:
            observer.note(f"measured already, and nothing has changed since ({worded(AGAIN)})")
            if not (found.folder / "report.html").exists():
                write_report(found)
            found.set_status("done")
            reregister(found, known, observer, only_new=True)  # a list that was not told then, or was put back
            return RunResult(known, found.folder)
        session = open_session(found.recipe, found, method_of, observer)
        if not (found.folder / "evaluation.json").exists():
            scaled(session, observer)  # a run that was killed after its training may not have been yet
        result = evaluated(session, effort_so_far(found), observer)
        found.set_status("done")
        observer.done()
    reregister(found, result, observer)
    return RunResult(result, found.folder)


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
        return open_session(run.recipe, run, method_of, observer, refuse_without_test if verdict else None)
    refuse_before_data(run.recipe, method_of(run.recipe), run.folder.parent)
    cache = run.folder.parent / CACHE
    refuse = partial(refuse_before_training, find=method_of, cache=cache, verdict=verdict)
    return open_session(run.recipe, run, method_of, observer, refuse)


def gathered(recipe: Recipe, run_root: Path | str, observer: Observer) -> Source:
    """The data as the recipe's base sees it, without its weights."""
    refuse_missing_base(recipe.base)
    tokenizer = load_tokenizer(recipe.base, recipe.trust_remote_code)
    recipe = with_context(recipe, load_config(recipe.base, recipe.trust_remote_code))
    observer.phase("reading the data")
    return method_of(recipe).gather(recipe, Renderer(tokenizer), Path(run_root) / CACHE, observer)


def recipe_of(data: Input, overrides: dict[str, Any], run_root: Path | str = DEFAULT_ROOT) -> Recipe:
    """The recipe of a verb's `data`, with the keywords that were given beside it. Rows that are no file yet are written
    down beside the runs. Raises RecipeError, DataError."""
    if isinstance(data, Recipe) and not overrides:
        named_by_user(data)
        return data
    given = [Keyword(key, _as_file(key, value, run_root)) for key, value in overrides.items()]
    if isinstance(data, Recipe):
        source: Any = data.model_dump(mode="json", exclude_none=True)
    elif holds_rows(data):
        source = {"data": written(data, run_root)}
    elif isinstance(data, Mapping):
        source = {key: _as_file(str(key), value, run_root) for key, value in data.items()}
    elif isinstance(data, list | tuple):
        source = {"data": [str(name) for name in data]}
    elif isinstance(data, str | Path):
        source = data
    else:
        fix = "give the path of data or of a recipe, a list of dictionaries, a table, or a Recipe"
        raise InputError(f"this is no data: it is of type {type(data).__name__}", where="data", value=data, fix=fix)
    return load_recipe(source, given)  # overrides are checked, too


def _as_file(key: str, value: Any, run_root: Path | str) -> Any:
    """The value of a key as a recipe has it: rows as the path of a file that holds them. A text is read as on the
    command line, so that `"{kind: bake}"` is a group; but where the key takes a text, it is one as it stands."""
    if key in ("data", "test") and holds_rows(value):
        return written(value, run_root, key)
    if isinstance(value, str) and not is_text(key):
        return parse(value, f"keyword {key}")[0]
    return _plain(value)


def _plain(value: Any) -> Any:
    """Paths as texts, numbers of numpy as Python's own, in groups and lists, too."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "dtype") and hasattr(value, "item") else value


def _start(
    data: Input,
    root: Path | str,
    name: str | None,
    observer: Observer | None,
    overrides: dict[str, Any],
    accept_changed: bool = False,
) -> tuple[Run, Observer]:
    return Run.create(Path(root), recipe_of(data, overrides, root), name, accept_changed), observer or Silent()
