"""What a service knows of a version that is tried, read from its database without asking the service."""

from __future__ import annotations

from pathlib import Path

from whet.monitoring.trials import SeenTrial
from whet.server.traces.opening import open_service
from whet.server.traffic.seen import read_seen


def open_seen(home: Path | str, trial: str, project: str = "default") -> SeenTrial:
    """Of a trial, by its id, in a project, by its name. `home` as for open_traces, which tells what this raises."""
    database, owner = open_service(home, project)
    try:
        return read_seen(database, owner, trial)
    finally:
        database.close()
