"""The main job: check, train, evaluate, verdict, register; what the verbs tune and train and the studies begin with."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from whet.evaluation.facts import Evaluation
from whet.evaluation.preflight.refusals import (
    refuse_before_data,
    refuse_before_training,
    refuse_unmeasurable,
    refuse_without_test,
)
from whet.methods import method_of
from whet.model.saved_model import prove_weights, read_facts
from whet.observer import Observer, Silent, watched_by
from whet.release.golden_of_run import try_write_golden
from whet.reports.result import RunResult
from whet.store.run import DEFAULT_ROOT, Run
from whet.training.session import Session, open_session
from whet.verbs.inputs import CACHE, Input, recipe_of
from whet.verbs.steps.findings import report_findings
from whet.verbs.steps.stages import evaluate_run, register, report_power, train_once

RESULT_KEYS = ("run", "ledger", "base", "tuned", "verdict", "report")


def tune_once(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    accept_changed: bool = False,
    **overrides: Any,
) -> RunResult:
    """The whole job, once. The same call again resumes, or returns the finished result; with `accept_changed` also
    where a file that the recipe names, such as a reward, has changed since."""
    run, observer = create_run(data, run_root, name, observer, overrides, accept_changed)
    result, fresh = finish_run(run, observer)
    if fresh:
        register(run, result, Path(run_root), observer)
    return RunResult(result, run.folder)


def create_run(
    data: Input,
    root: Path | str,
    name: str | None,
    observer: Observer | None,
    overrides: dict[str, Any],
    accept_changed: bool = False,
) -> tuple[Run, Observer]:
    """The run of this recipe and data, new or known, and who watches it."""
    run = Run.create(Path(root), recipe_of(data, overrides, root), name, accept_changed)
    run.refuse_elsewhere()
    return run, observer or Silent()


def finish_run(run: Run, observer: Observer) -> tuple[Evaluation, bool]:
    """The result of a run, trained and evaluated where it is not yet; and whether it was made just now."""
    with run.working(), watched_by(observer):
        if run.status == "done" and (run.folder / "evaluation.json").exists():
            if (run.model / "whet.json").exists():
                prove_weights(read_facts(run.model), run.model)
            observer.note("this run is finished already; here is its result")
            return run.read_json("evaluation.json", *RESULT_KEYS), False

        session = open_run(run, observer, verdict=True)
        report_findings(session, observer)
        report_power(session, observer)
        cost = train_once(session, observer)
        result = evaluate_run(session, cost, observer)
        try_write_golden(session, observer)
        run.set_status("done")
        observer.done()

    return result, True


def open_run(run: Run, observer: Observer, verdict: bool) -> Session:
    """The session of a run that is to be trained and, with `verdict`, evaluated; refused before anything is trained."""
    if (run.model / "whet.json").exists():
        if verdict:
            refuse_unmeasurable(run.recipe)
        return open_session(run.recipe, run, method_of, observer, refuse_without_test if verdict else None)

    refuse_before_data(run.recipe, method_of(run.recipe), run.folder.parent)
    cache = run.folder.parent / CACHE
    refuse = partial(refuse_before_training, find=method_of, cache=cache, verdict=verdict)
    return open_session(run.recipe, run, method_of, observer, refuse)
