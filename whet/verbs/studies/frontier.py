"""What did the gain cost? Task score against general score on the way from base to tuned."""

from __future__ import annotations

from pathlib import Path

from whet.errors import InputError
from whet.methods import method_of
from whet.model.saved_model import read_facts
from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python
from whet.reports.result import FrontierResult
from whet.store import model_registry
from whet.store.run import DEFAULT_ROOT, Run
from whet.store.unchanged import refuse_changed_data
from whet.training.session import open_session
from whet.verbs.steps.stages import write_frontier
from whet.verbs.studies.part_of_the_way import IS_INTERPOLATED, refuse_no_way, refuse_scale


@in_python
def frontier(
    run: Run | str | Path,
    prompts: str | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> FrontierResult:
    """Task score against general score on the way from base to tuned; writes frontier.json and frontier.svg."""
    run = model_registry.find_run(run, run_root)
    observer = observer or Silent()
    refuse_no_way(run.recipe, run.name)

    if prompts is not None and not prompts.strip():
        raise InputError("the name of the file is empty", where="prompts", fix="name a file of general prompts")

    facts = read_facts(run.model)
    if "scale" in facts:
        fix = "use the run that it was made from"
        raise InputError(IS_INTERPOLATED, where=f"run {run.name}", value=f"scale {facts['scale']}", fix=fix)

    refuse_changed_data(run)
    refuse_scale(run, "auto")

    with run.reading(), watched_by(observer):
        session = open_session(run.recipe, run, method_of, observer)
        if prompts is not None:
            session.recipe.keep.prompts = prompts
        result = write_frontier(session, observer)

    observer.done()
    return FrontierResult(result)
