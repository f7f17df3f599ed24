"""Measure a trained run on its held-out rows."""

from __future__ import annotations

from pathlib import Path

from whet.evaluation.preflight.refusals import refuse_unmeasurable
from whet.evaluation.record import recorded
from whet.methods import method_of
from whet.model.folder import read_facts
from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python, worded
from whet.release.golden_of_run import try_write_golden
from whet.reports.report import write_report
from whet.reports.result import RunResult
from whet.store import registry
from whet.store.run import DEFAULT_ROOT, Run
from whet.training.session import open_session
from whet.verbs.stages import effort_so_far, evaluated, reregister, scaled

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
    found = registry.find_run(run, run_root)
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
        try_write_golden(session, observer)
        found.set_status("done")
        observer.done()
    reregister(found, result, observer)
    return RunResult(result, found.folder)
