"""Measure a trained run on its held-out rows."""

from __future__ import annotations

from pathlib import Path

from whet.evaluation.preflight.refusals import refuse_unmeasurable
from whet.evaluation.record import recorded
from whet.methods import method_of
from whet.model.saved_model import read_facts
from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python, worded
from whet.release.golden_of_run import try_write_golden
from whet.reports.report import write_report
from whet.reports.result import RunResult
from whet.store import model_registry
from whet.store.run import DEFAULT_ROOT, Run
from whet.store.unchanged import refuse_changed_data, refuse_changed_files
from whet.training.session import open_session
from whet.verbs.steps.stages import evaluate_run, reregister, rescale_if_asked, training_cost

AGAIN = "--anew measures it again"


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
    run = model_registry.find_run(run, run_root)
    observer = observer or Silent()
    read_facts(run.model)
    refuse_changed_data(run)
    refuse_changed_files(run, run.recipe, accept_changed, measured_anew=True)
    refuse_unmeasurable(run.recipe)

    with run.working(), watched_by(observer):
        if anew:
            known = None
        else:
            known = recorded(run)

        if known is not None:
            observer.note(f"measured already, and nothing has changed since ({worded(AGAIN)})")
            if not (run.folder / "report.html").exists():
                write_report(run)

            run.set_status("done")
            reregister(run, known, observer, only_new=True)  # a list that was not told then, or was put back
            return RunResult(known, run.folder)

        session = open_session(run.recipe, run, method_of, observer)
        if not (run.folder / "evaluation.json").exists():
            rescale_if_asked(session, observer)  # a run that was killed after its training may not have been yet

        result = evaluate_run(session, training_cost(run), observer)
        try_write_golden(session, observer)
        run.set_status("done")
        observer.done()

    reregister(run, result, observer)
    return RunResult(result, run.folder)
