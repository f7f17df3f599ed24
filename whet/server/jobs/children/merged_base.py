"""The weights of a tuned model as a base, for jobs that go on from it. Needs torch: done in a worker's child."""

from __future__ import annotations

from pathlib import Path

from whet.server.jobs.beginnings import Beginning
from whet.store.lock import Lock
from whet.store.run import Run
from whet.verbs.releases.export import export

PATIENCE = 600.0
"""Seconds that another child may take with the same weights."""


def make_base(beginning: Beginning) -> None:
    """Merges a tuned model where nobody has yet, and proves that it answers as it was trained. A base of the service
    is there already. Raises WhetError for one that cannot be merged or proved."""
    base = Path(beginning.base)
    if beginning.run is None or base.is_dir():
        return
    with Lock(base.with_name(f"{base.name}.lock"), f"the base {base.name}", PATIENCE):
        if not base.is_dir():
            export(Run(Path(beginning.run)), "merged", base)
