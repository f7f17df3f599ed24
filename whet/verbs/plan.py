"""Memory by cause, time, and settings that fit, before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.errors import InputError
from whet.evaluation.preflight.plan import forecast, target_of
from whet.evaluation.preflight.refusals import refuse_before_data
from whet.methods import method_of
from whet.observer import Observer, Silent
from whet.planning.public_models import find_public
from whet.recipe.keywords import in_python
from whet.recipe.schema import Recipe
from whet.reports.result import PlanResult
from whet.store.model_registry import is_run
from whet.store.run import DEFAULT_ROOT, Run
from whet.store.unchanged import refuse_changed_data
from whet.verbs.inputs import CACHE, Input, recipe_of


@in_python
def plan(
    data: Input,
    memory: str | None = None,
    gpu: str | None = None,
    calibrate: bool = False,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    out: Path | str | None = None,
    **overrides: Any,
) -> PlanResult:
    """Memory by cause, time, and settings that fit `memory` ("24GB"), a GPU by name, or what is free here.

    `data` may be a run: its recipe is planned with the pace of the steps that it has made. `out` is another name of
    `run_root`.
    """
    observer = observer or Silent()
    run_root = run_root if out is None else out

    if isinstance(data, str | Path) and is_run(data, run_root):
        recipe, step_seconds = _recipe_and_pace(Run.open(data, run_root), overrides)
    else:
        recipe, step_seconds = recipe_of(data, overrides, run_root), []

    refuse_before_data(recipe, method_of(recipe), run_root, base=find_public(recipe.base) is None)
    result = forecast(
        recipe, method_of, target_of(memory, gpu), Path(run_root) / CACHE, observer, calibrate, step_seconds
    )
    observer.done()
    return PlanResult(result)


def _recipe_and_pace(run: Run, overrides: dict[str, Any]) -> tuple[Recipe, list[float]]:
    """The recipe of a run and the seconds of the steps that it has made. Raises InputError for other keys."""
    if overrides:
        fix = "plan its data and recipe instead"
        raise InputError("a run is planned as it is", where=f"run {run.name}", value=sorted(overrides), fix=fix)

    refuse_changed_data(run)
    return run.recipe, [float(line["seconds"]) for line in run.metrics() if "seconds" in line]
