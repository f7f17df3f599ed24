"""The main job in one call, and on demand once more at a point nearer to the base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.observer import Observer
from whet.recipe.conflicts.keep import refuse_no_nearer
from whet.recipe.keywords import in_python
from whet.reports.result import RunResult
from whet.store.run import DEFAULT_ROOT
from whet.verbs.inputs import Input, recipe_of
from whet.verbs.steps import main_job
from whet.verbs.studies.until_kept import until_kept as nearer_until_kept


@in_python
def tune(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    until_kept: bool = False,
    accept_changed: bool = False,
    out: Path | str | None = None,
    **overrides: Any,
) -> RunResult:
    """Check, train, evaluate, verdict, register. The same call again resumes, or returns the finished result.

    Keys of the recipe are keywords (`base`, `method`, `epochs`, `learning_rate`, `seed`, ...); `out` is another name of
    `run_root`.

    With `until_kept` a model that is better at its task and over a budget elsewhere is tried again at a point nearer to
    its base, without training, at most twice; the result is that of the last try, with all of them under `tries`.
    With `accept_changed` a stopped run goes on though a file that the recipe names, such as a reward, has changed; the
    change is noted in the ledger.
    """
    run_root = run_root if out is None else out
    if not until_kept:
        return main_job.tune_once(data, run_root, name, observer, accept_changed, **overrides)

    recipe = recipe_of(data, overrides, run_root)
    refuse_no_nearer(recipe, "--until-kept")  # not after the training
    return nearer_until_kept(main_job.tune_once(recipe, run_root, name, observer, accept_changed), run_root, observer)
