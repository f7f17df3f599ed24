"""What does the tuned model get wrong? Its failures on the validation rows, in clusters, and what to collect."""

from __future__ import annotations

from pathlib import Path

from whet.data.prepare import prepared_of, read_rows
from whet.evaluation.metrics.turns import turns_of_row
from whet.evaluation.studies.failures import FailureList, failures_of
from whet.evaluation.studies.validation_answers import refuse_without_answers
from whet.methods import method_of
from whet.model.saved_model import read_facts
from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python
from whet.reports.collection_list import collection_list
from whet.reports.result import Result
from whet.store import model_registry
from whet.store.atomic import write_text
from whet.store.run import DEFAULT_ROOT, Run
from whet.store.unchanged import refuse_changed_data
from whet.training.session import Session, open_session


@in_python
def failures(run: Run | str | Path, run_root: Path | str = DEFAULT_ROOT, observer: Observer | None = None) -> Result:
    """Where a tuned model fails on the validation rows, and what to collect; writes failures.json and collect.md.

    The test rows are not looked at. Raises InputError for runs that learn no answers.
    """
    run = model_registry.find_run(run, run_root)
    observer = observer or Silent()
    refuse_without_answers(run.recipe)
    read_facts(run.model)
    refuse_changed_data(run)

    with run.reading(), watched_by(observer):
        session = open_session(run.recipe, run, method_of, observer)
        result = _measure_failures(session, observer)

    observer.done()
    return Result(result)


def _measure_failures(session: Session, observer: Observer) -> FailureList:
    """The facts of failures.json, which it writes with its list for people."""
    run, recipe, prepared = session.run, session.recipe, prepared_of(session.source)
    observer.phase("asking the tuned model")
    metric, answers = method_of(recipe).validation_answers(session, observer)

    learned_turns = []
    for row in read_rows(recipe, prepared, ("trained",)):
        learned_turns += turns_of_row(row)

    list_path = run.folder / "collect.md"
    facts = failures_of(answers, learned_turns)
    result: FailureList = {"run": run.name, "metric": metric, **facts, "list": str(list_path)}
    run.write_json("failures.json", result)
    write_text(list_path, collection_list(result))

    return result
