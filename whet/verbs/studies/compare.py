"""Would a prompt do? Prompting, examples, retrieval, tuning and other models on the same test rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.data.prepare import prepared_of
from whet.evaluation.comparison.comparison import (
    FOLDER,
    compare_arms,
    needs_training,
    refuse_other_recipe,
    refuse_too_late,
    refuse_uncomparable,
)
from whet.methods import method_of
from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python
from whet.reports.comparison import write_compare_report
from whet.reports.result import CompareResult
from whet.store import model_registry
from whet.store.run import DEFAULT_ROOT, Run
from whet.training.session import open_session
from whet.verbs.inputs import Input, read_data, recipe_of
from whet.verbs.steps.main_job import tune_once


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
    refuse_too_late(recipe, prepared_of(read_data(recipe, run_root, observer)))

    if run is None:
        run = Run.create(run_root, recipe, name)
        if needs_training(recipe) and not _is_evaluated(run):
            tune_once(recipe, run_root, name, observer)
    else:
        run = model_registry.find_run(run, run_root)
        refuse_other_recipe(recipe, run)

    finished_before = _is_evaluated(run)
    with run.reading() if finished_before else run.working(), watched_by(observer):
        session = open_session(run.recipe, run, method_of, observer)
        result = compare_arms(session, recipe.compare, observer)
        write_compare_report(run.folder / FOLDER)

        if not finished_before:
            run.set_status("done")

    observer.done()
    return CompareResult(result)


def _is_evaluated(run: Run) -> bool:
    return (run.folder / "evaluation.json").exists()
