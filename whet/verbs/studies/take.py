"""The model at a point between base and tuned, as a run of its own."""

from __future__ import annotations

from pathlib import Path

from whet.errors import InputError
from whet.model.saved_model import read_facts
from whet.observer import Observer
from whet.recipe.keywords import in_python
from whet.reports.result import RunResult
from whet.store import model_registry
from whet.store.run import DEFAULT_ROOT, Run
from whet.store.unchanged import refuse_changed_data
from whet.training.rescale import copy_at_scale
from whet.verbs.steps.main_job import tune_once
from whet.verbs.studies.part_of_the_way import refuse_no_way, refuse_scale


@in_python
def take(
    run: Run | str | Path, scale: float, run_root: Path | str = DEFAULT_ROOT, observer: Observer | None = None
) -> RunResult:
    """The run at `scale` of the way from base to tuned, as a run of its own: nothing is trained, all is measured."""
    trained_run = model_registry.find_run(run, run_root)
    refuse_no_way(trained_run.recipe, trained_run.name)

    if not 0 < scale <= 1:
        fix = "give a number above 0, which is the base itself, and at most 1, which is the model as it was trained"
        raise InputError("there is no such point between base and tuned", where="scale", value=scale, fix=fix)

    read_facts(trained_run.model)
    refuse_changed_data(trained_run)
    recipe = trained_run.requested.model_copy(deep=True)
    recipe.keep.scale = scale
    refuse_scale(trained_run, scale)

    new_run = Run.create(run_root, recipe)
    with new_run.working():
        copy_at_scale(trained_run, new_run, scale)
    return tune_once(recipe, run_root, observer=observer)
