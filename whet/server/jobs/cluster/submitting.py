"""From the queue to Ray: each look submits what waits by fair share, stops what nobody wants any more, and tells jobs
why they wait.

A job stays `queued` until its Ray job claims it, so the states are those of jobs that train here. A submission is named
by its job and the job's fence, and Ray says which of them there are: a service that starts again finds them.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Row, select

from whet.errors import RunError, without_hidden
from whet.server.database.opening import Database
from whet.server.database.tables import chores, jobs
from whet.server.jobs.chores import FORECAST
from whet.server.jobs.cluster.needs import needs_of, places
from whet.server.jobs.cluster.note import Note, command_for
from whet.server.jobs.cluster.ray_cluster import Cluster, Node, Submission, SubmissionName
from whet.server.jobs.cluster.reach import APART, is_apart
from whet.server.jobs.events import add_event
from whet.server.jobs.fair_share import count_by_project, next_of, recent_starts
from whet.server.jobs.places import job_folder
from whet.server.jobs.queue import requeue_lost
from whet.server.jobs.states import QUEUED, RUNNING

MOST_WAITING = 4
"""Submissions that may wait in Ray, which begins them in an order of its own; other jobs wait here, by fair share."""
MOST = 1000
"""Waiting jobs that are looked at."""
ASK_SECONDS = 10.0
"""Between two questions to a cluster that has nothing to do."""
STALE_SECONDS = 3.0
"""How long a Ray job that nobody wants any more has to end by itself: its worker looks every second."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Before a submission that ended without claiming its job is made again, doubled each time."""

SILENT = "the Ray cluster does not answer"
EMPTY = "the Ray cluster has no processor for jobs"
NOT_BEGUN = "Ray jobs end before they begin their work"
log = logging.getLogger("whet.server.ray")
Try = tuple[str, int]
"""A job and its fence."""


@dataclass
class Submitter:
    database: Database
    cluster: Cluster
    home: Path
    note: Note
    kept: float
    """Seconds that a checkpoint can be opened as a model."""
    clock: Callable[[], float] = time.monotonic

    places: int = 1
    """Jobs that the cluster trains at once, as it was last seen."""
    trouble: str | None = None
    """Why no job is begun, in words for everybody: they name no address."""
    _told: set[str] = field(default_factory=set)
    """Jobs that were told of it."""
    _asked: float = float("-inf")
    _at_work: bool = False
    """Whether the cluster had a job of this service's when it was asked."""
    _seen: dict[SubmissionName, float] = field(default_factory=dict)
    """When a submission was first seen unwanted, or ended before its job was claimed."""

    def look(self) -> None:
        """One round. A cluster that does not answer is told to the jobs that wait for it, and asked again."""
        requeue_lost(self.database)
        waiting = self._waiting()
        now = self.clock()
        if not waiting and not self._at_work and now - self._asked < ASK_SECONDS:
            return

        self._asked = now
        try:
            self._ask(waiting, now)
        except RunError as error:
            self._wait(SILENT, waiting, error.what)

    def _ask(self, waiting: list[Row], now: float) -> None:
        found = self.cluster.submissions()
        live = [one.name for one in found if not one.over]
        known = self._known({name.job for name in live})
        live = [name for name in live if name.job in known]  # others are those of another service
        self._at_work = bool(live)
        names = {one.name for one in found}
        self._seen = {name: since for name, since in self._seen.items() if name in names}
        self._stop_unwanted(live, known, now)
        if waiting:
            self._submit(waiting, found, self.cluster.nodes(), now)
        else:
            self._wait(None, [])

    def _stop_unwanted(self, live: Sequence[SubmissionName], known: dict[str, Row], now: float) -> None:
        for name in live:
            row = known[name.job]
            waits = row.state == QUEUED and row.fence == name.fence
            claimed = row.state == RUNNING and row.fence == name.fence + 1
            if waits or claimed:
                continue
            if now - self._seen.setdefault(name, now) >= STALE_SECONDS:
                self.cluster.stop(str(name))

    def _submit(self, waiting: list[Row], found: list[Submission], nodes: list[Node], now: float) -> None:
        self.places = places(nodes)
        if is_apart(self.database.kind, nodes):
            self._wait(APART, waiting)
            return
        if not self.places:
            self._wait(EMPTY, waiting)
            return

        ended: dict[Try, list[Submission]] = defaultdict(list)
        in_ray: set[Try] = set()
        for one in found:
            if one.over:
                ended[one.name.job, one.name.fence].append(one)
            else:
                in_ray.add((one.name.job, one.name.fence))
        lost = [row for row in waiting if (row.id, row.fence) in ended]
        told = ended[lost[0].id, lost[0].fence][-1].message if lost else ""
        self._wait(NOT_BEGUN if lost else None, lost, told)

        for row in self._in_turn(waiting, in_ray):
            before = [one.name for one in ended.get((row.id, row.fence), ())]
            if self._may_be_tried(before, now):
                self._submit_one(row, nodes, 1 + max((name.attempt for name in before), default=0))

    def _submit_one(self, row: Row, nodes: list[Node], attempt: int) -> None:
        needs = needs_of(nodes, row.estimate, job_folder(self.home, row.id))
        assert needs is not None, "there is a place for a job"
        name = SubmissionName(row.id, row.fence, attempt)
        which = ("--job", row.id, "--fence", str(row.fence), "--checkpoint-seconds", str(self.kept))
        self.cluster.submit(str(name), command_for(self.home, self.note, *which), needs)
        log.info("submitted %s: %d CPUs, %d GPUs, %d bytes", name, needs.cpus, needs.gpus, needs.memory)
        self._at_work = True

    def _may_be_tried(self, before: list[SubmissionName], now: float) -> bool:
        if not before:
            return True
        since = self._seen.setdefault(max(before, key=lambda name: name.attempt), now)
        return now - since >= min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (len(before) - 1))

    def _in_turn(self, waiting: list[Row], in_ray: set[Try]) -> list[Row]:
        """Those that may be submitted now, by fair share; a job in Ray counts as one at work."""
        with self.database.read() as connection:
            now = self.database.now(connection)
            running = count_by_project(connection, jobs.c.state == RUNNING)
            recent = recent_starts(connection, now)
            forecast = _being_forecast(connection)

        submitted = [row for row in waiting if (row.id, row.fence) in in_ray]
        for row in submitted:
            running[row.project] += 1
            recent[row.project] += 1
        left = [row for row in waiting if row not in submitted and row.id not in forecast]

        turn: list[Row] = []
        while left and len(submitted) + len(turn) < MOST_WAITING:
            row = next_of(left, running, recent)
            left.remove(row)
            turn.append(row)
            running[row.project] += 1
            recent[row.project] += 1
        return turn

    def _wait(self, trouble: str | None, waiting: list[Row], detail: str = "") -> None:
        """Once for each job and trouble; the operator's log has the details."""
        if trouble != self.trouble:
            if trouble is None:
                log.warning("jobs are begun again")
            else:
                log.warning("no job is begun: %s %s", trouble, f"({_last_line(detail)})" if detail else "")
            self.trouble, self._told = trouble, set()
        if trouble is None:
            return

        untold = [row.id for row in waiting if row.id not in self._told]
        if untold:
            with self.database.write() as connection:
                now = self.database.now(connection)
                locked = select(jobs.c.id).where(jobs.c.id.in_(untold), jobs.c.state == QUEUED).with_for_update()
                for name in connection.execute(locked).scalars().all():
                    add_event(connection, name, f"The job waits: {trouble}", now, "warn")
        self._told.update(untold)

    def _waiting(self) -> list[Row]:
        columns = (jobs.c.id, jobs.c.project, jobs.c.state, jobs.c.fence, jobs.c.created_at, jobs.c.estimate)
        query = select(*columns).where(jobs.c.state == QUEUED).order_by(jobs.c.created_at).limit(MOST)
        with self.database.read() as connection:
            return list(connection.execute(query))

    def _known(self, names: set[str]) -> dict[str, Row]:
        """Of these jobs, those of this service, by their names."""
        query = select(jobs.c.id, jobs.c.state, jobs.c.fence).where(jobs.c.id.in_(names))
        with self.database.read() as connection:
            return {row.id: row for row in connection.execute(query)}


def _being_forecast(connection: Connection) -> set[str]:
    """Jobs whose memory is about to be known."""
    query = select(chores.c.subject).where(chores.c.kind == FORECAST, chores.c.state != "done")
    return {subject["job"] for subject in connection.execute(query).scalars()}


def _last_line(text: str) -> str:
    return without_hidden(text.strip().rpartition("\n")[2])
