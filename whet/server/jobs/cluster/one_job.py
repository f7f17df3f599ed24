"""What a Ray job runs: one job of the queue, as a worker of the service would, or a look whether it could.

    python -m whet.server.jobs.cluster.one_job --home DIR --service NAME --job ftjob-... --fence N

The queue's lease, fence and heartbeat are those of every worker. Ray's word on how this ended counts for nothing: the
database has what became of the job.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import whet
from whet.errors import WhetError
from whet.server.database.opening import open_database
from whet.server.jobs import queue
from whet.server.jobs.children.child import run_job
from whet.server.jobs.cluster.note import Note, read_note
from whet.server.jobs.worker import (
    POLL_SECONDS,
    Jobs,
    Lane,
    begin_log,
    log,
    name_of_worker,
    on_stop_signals,
    prepare_children,
    starting_context,
    stop_lanes,
    take_turn,
)


@dataclass
class OneJob(Jobs):
    """The work of a lane that has one job to claim, by the fence with which it was submitted."""

    job: str = ""
    fence: int = 0

    def claim(self) -> tuple[Callable[..., None], tuple[Any, ...]] | None:
        self.lease = queue.claim_job(self.database, self.job, self.fence, self.owner)
        if self.lease is None:
            log.info("job %s is not waiting with fence %d any more", self.job, self.fence)
            return None
        return run_job, (self.url, str(self.home), self.lease, self.kept)


def run_one(home: Path, note: Note, job: str, fence: int, kept: float, stopped: threading.Event) -> None:
    """Until the job is over, somebody else's, or given back because this process is told to stop."""
    database = open_database(note.database)
    work = OneJob(database, note.database, home, name_of_worker(), kept, job=job, fence=fence)
    context = starting_context()
    prepare_children(context)

    lane = Lane(work, context)
    take_turn(lane)
    while lane.child is not None and not stopped.wait(POLL_SECONDS):
        take_turn(lane)
    stop_lanes([lane])
    database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m whet.server.jobs.cluster.one_job", description="Runs one job.")
    parser.add_argument("--home", required=True, type=Path, help="the home folder of the service")
    parser.add_argument("--service", required=True, help="the name in its note")
    parser.add_argument("--job", help="which; without it nothing is run, but the way to it is tried")
    parser.add_argument("--fence", type=int, default=0)
    parser.add_argument("--checkpoint-seconds", type=float, default=0.0)
    given = parser.parse_args()
    begin_log()

    stopped = on_stop_signals()
    try:
        note = read_note(given.home, given.service, whet.__version__)
        if given.job is None:
            open_database(note.database).close()
        else:
            run_one(given.home, note, given.job, given.fence, given.checkpoint_seconds, stopped)
    except WhetError as error:
        print(" ".join(str(error).split()), file=sys.stderr)  # in one line: the last is what Ray's message ends with
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
