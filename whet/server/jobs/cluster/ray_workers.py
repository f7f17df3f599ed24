"""The workers of a service whose jobs train on a Ray cluster: one process here for files and estimates, and a thread
that submits.

Ray jobs do not end with the service: they go on, and a service that starts again finds them.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import ClassVar

from sqlalchemy.exc import DBAPIError

from whet.errors import WhetError
from whet.server.jobs.cluster.note import write_note
from whet.server.jobs.cluster.ray_cluster import Cluster, RayCluster
from whet.server.jobs.cluster.submitting import SILENT, Submitter
from whet.server.jobs.supervisor import STOP_SECONDS, Workers

LOOK_SECONDS = 1.0
HANG_SECONDS = 30.0
"""A look that takes longer hangs in a question to a cluster that takes requests and does not answer."""
log = logging.getLogger("whet.server.ray")


@dataclass
class RayWorkers(Workers):
    cluster: Cluster | None = None
    """None: that of the settings."""
    _submitter: Submitter | None = None
    _submitting: threading.Thread | None = None
    _looked: float = field(default_factory=time.monotonic)

    processes: ClassVar[int | None] = 1
    options: ClassVar[tuple[str, ...]] = ("--only-chores",)

    @property
    def at_once(self) -> int:
        return 1 if self._submitter is None else max(1, self._submitter.places)

    @property
    def trouble(self) -> str | None:
        if self._submitter is None:
            return None
        hangs = time.monotonic() - self._looked > HANG_SECONDS
        return SILENT if hangs else self._submitter.trouble

    def start(self) -> None:
        super().start()
        settings = self.settings
        cluster = RayCluster(settings.ray) if self.cluster is None else self.cluster
        note = write_note(settings)
        self._submitter = Submitter(self.database, cluster, settings.home, note, settings.checkpoint_seconds)
        self._submitting = threading.Thread(target=self._look_on, args=(self._submitter,), name="ray", daemon=True)
        self._submitting.start()

    def stop(self) -> None:
        super().stop()
        if self._submitting is not None:
            self._submitting.join(STOP_SECONDS)

    def _look_on(self, submitter: Submitter) -> None:
        while not self._over.is_set():
            try:
                submitter.look()
            except (WhetError, DBAPIError, OSError):
                log.exception("a look at the queue failed; it is tried again")
            self._looked = time.monotonic()
            self._over.wait(LOOK_SECONDS)
