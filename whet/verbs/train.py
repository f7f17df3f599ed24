"""Train only: what is trained is measured later, with `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whet.observer import Observer, watched_by
from whet.recipe.keywords import in_python
from whet.reports.result import RunResult
from whet.store.run import DEFAULT_ROOT
from whet.verbs.inputs import Input
from whet.verbs.steps.main_job import create_run, open_run
from whet.verbs.steps.stages import report_power, run_header, train_once


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
    run, observer = create_run(data, run_root if out is None else out, name, observer, overrides, accept_changed)
    with run.working(), watched_by(observer):
        session = open_run(run, observer, verdict=False)
        report_power(session, observer)
        cost = train_once(session, observer)
        run.set_status("done")
        observer.done()

    return RunResult(run_header(session) | cost, run.folder)
