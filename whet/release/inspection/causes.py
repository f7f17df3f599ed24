"""The cause behind a failed proof of an export on this machine: its files against the same export made anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from whet.errors import WhetError
from whet.observer import Observer
from whet.release.catalogue import form_named
from whet.release.consumers.protocol import Served
from whet.release.inspection.inspect import inspected, made_anew
from whet.release.inspection.kept_proofs import is_as_written
from whet.release.opening import tuned_of
from whet.release.proving import Outcome
from whet.reports.proof_facts import ReleaseFacts
from whet.store import model_registry


def with_causes(
    outcome: Outcome, served: Served, facts: ReleaseFacts, run_root: Path | str, observer: Observer
) -> Outcome:
    """The outcome with what differs in the files, where it failed or a file is no longer what the export wrote, and the
    run is at hand. `facts` is release.json. A changed file fails the proof by itself: some change nothing that golden
    answers show, such as a padding token that is a stop."""
    assert served.folder is not None
    if outcome.passed and is_as_written(served.folder):
        return outcome

    try:
        model = tuned_of(model_registry.find_run(facts["run"], run_root))
    except WhetError as error:
        observer.note(f"what differs in the files is not told, because the run is not at hand: {error.what}")
        return outcome

    observer.phase("comparing the files with the same export made anew")
    with made_anew(model, form_named(facts["form"]), facts["type"], served.folder.parent) as wanted:
        return replace(outcome, faults=[*outcome.faults, *inspected(model, served, wanted)])
