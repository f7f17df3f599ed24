"""What lies outside a run and may change between its stop and its resume: files that its recipe names, and its base."""

from __future__ import annotations

from whet.errors import RunFolderError
from whet.model.base import Base
from whet.store.run import Run
from whet.store.unchanged import ACCEPTED, accepted_changes


def accepted_notes(run: Run) -> list[str]:
    """Of each named file that was changed on purpose, a sentence for people."""
    notes = []
    for change in accepted_changes(run).get(ACCEPTED, []):
        if change["step"] is None:
            since = "the evaluation"
        else:
            since = f"steps from {change['step']} on"

        was = f"{change['file']} was changed on purpose (--accept-changed)"
        notes.append(f"{was}: {since} are with the new content, what was before with the old.")

    return notes


def refuse_changed_base(run: Run, base: Base) -> None:
    """The base must stay the one that the run began with: a checkpoint holds only what was trained. Writes it down the
    first time. Raises RunFolderError."""
    path = run.folder / "base.json"
    if not path.exists():
        run.write_json(path.name, {"base": base.name, "fingerprint": base.fingerprint})
    elif run.read_json(path.name, "fingerprint")["fingerprint"] != base.fingerprint:
        raise RunFolderError(
            "the base has other weights than when this run began",
            where=str(path),
            value=base.name,
            fix="restore that base, or start a new run with another --name",
        )
