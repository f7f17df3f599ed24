"""Who watches the run of a job: what happens becomes events, checkpoints become models, from a thread beside the work.

Every write presents the lease. Where it does not hold any more, or the worker is gone, the whole process group ends at
once: a run is resumed exactly from wherever it was killed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from whet.server.database.identifiers import new_id
from whet.server.database.opening import Database
from whet.server.database.tables import checkpoints, events, jobs
from whet.server.database.tuned_models import add_model
from whet.server.jobs.children.metrics import read_steps
from whet.server.jobs.children.names import checkpoint_name
from whet.server.jobs.events import add_event, last_step
from whet.server.jobs.places import checkpoint_folder, run_folder
from whet.server.jobs.process_group import end_own_group
from whet.server.jobs.queue import Lease, LeaseLost, held_by, note_progress
from whet.store.run import METRICS

log = logging.getLogger("whet.server.jobs")
FLUSH_SECONDS = 1.0
MOST_EVENTS = 400
"""Steps of a run that are told; of a longer one every n-th, and those with a validation."""
QUIET = ("step ", "registered as ")
"""How notes begin that are told otherwise."""


class JobObserver:
    """Given to `whet.tune`; use it as a context."""

    def __init__(self, database: Database, lease: Lease, home: Path, model: str, parent: str, kept: float) -> None:
        """`model` is what the job's model will be called; `kept` are the seconds of a checkpoint."""
        self.database, self.lease, self.home = database, lease, home
        self.model, self.parent, self.kept = model, parent, kept
        self.total = 0
        self._notes: list[str] = []
        self._phase, self._told_phase = "", ""
        self._over = threading.Event()
        self._lock = threading.Lock()
        """One flush at a time: the thread's, or that of a checkpoint."""
        self._thread = threading.Thread(target=self._flush_on, daemon=True)

    def __enter__(self) -> JobObserver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    # ---- what the run says

    def phase(self, name: str, total: int | None = None) -> None:
        self._phase = name
        if total is not None and name == "training":
            self.total = total

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        if self._phase == "training":
            self.total = total

    def note(self, text: str) -> None:
        if not text.startswith(QUIET):
            self._notes.append(text)

    def done(self) -> None: ...

    def checkpoint(self, step: int, save: Callable[[Path], None]) -> None:
        folder = checkpoint_folder(self.home, self.lease.job, step)
        if not folder.exists():
            save(folder)
        self.flush()
        with self._lock, held_by(self.database, self.lease) as (connection, row):
            note_progress(connection, row, step)
            known = select(checkpoints.c.id).where(checkpoints.c.job == self.lease.job, checkpoints.c.step == step)
            if connection.execute(known).first() is not None:
                return

            now = self.database.now(connection)
            name = checkpoint_name(self.model, step)
            made = {"id": new_id("ftckpt_"), "job": self.lease.job, "step": step, "model": name, "folder": str(folder)}
            metrics = {"metrics": self._metrics_at(step), "created_at": now, "expires_at": now + self.kept}
            connection.execute(checkpoints.insert().values(**made, **metrics))
            add_model(connection, name, self.lease.project, self.parent, folder, now, self.lease.job)
            add_event(connection, self.lease.job, f"Checkpoint created at step {step}", now, data={"model": name})

    # ---- what becomes of it

    def flush(self) -> None:
        """Writes down what was said since the last time. Raises LeaseLost."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        notes, phase = self._notes[:], self._phase
        steps = read_steps(run_folder(self.home, self.lease.project, self.lease.job) / METRICS)
        with held_by(self.database, self.lease) as (connection, row):
            now = self.database.now(connection)
            for note in notes:
                known = select(events.c.id).where(events.c.job == row.id, events.c.message == note).limit(1)
                if connection.execute(known).first() is None:
                    add_event(connection, row.id, note, now)

            told = last_step(connection, row.id)
            every = max(1, self.total // MOST_EVENTS)
            ready = steps if self._phase != "training" else steps[:-1]  # the last may still be validated
            for step in ready:
                wanted = step.validation or step.number % every == 0 or step is steps[-1]
                if step.number > told and wanted:
                    total = max(self.total, step.number)
                    data = {**step.metrics(), "total_steps": total}
                    add_event(connection, row.id, step.message(total), now, "info", data, "metrics")

            if phase != self._told_phase:
                connection.execute(update(jobs).where(jobs.c.id == row.id).values(phase=phase))
        del self._notes[: len(notes)]
        self._told_phase = phase

    def _metrics_at(self, step: int) -> dict[str, Any]:
        steps = read_steps(run_folder(self.home, self.lease.project, self.lease.job) / METRICS)
        found = [one.metrics() for one in steps if one.number == step]
        return found[0] if found else {"step": step}

    def _flush_on(self) -> None:
        worker = parent_process()
        while not self._over.is_set():
            if worker is None:
                self._over.wait(FLUSH_SECONDS)
            elif wait([worker.sentinel], FLUSH_SECONDS):
                end_own_group()
            try:
                self.flush()
            except LeaseLost:
                end_own_group()
            except DBAPIError as error:  # it may be back the next time; the worker minds the lease
                log.warning("events are kept back: %s", error.orig)
