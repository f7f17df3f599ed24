"""Whether the machines of a cluster reach what jobs need: the database and the home folder. Asked at the start."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence

from sqlalchemy import make_url

from whet.errors import InputError, RunError
from whet.server.jobs.cluster.address import is_this_machine, place_of, refuse_overridden
from whet.server.jobs.cluster.note import SHARE, Note, command_for, write_note
from whet.server.jobs.cluster.ray_cluster import Cluster, Needs, Node, RayCluster
from whet.server.settings import Settings

TRY_SECONDS, POLL_SECONDS = 60.0, 0.25
"""How long the start waits for the trial: a cluster that is busy begins it later."""
APART = "the Ray cluster has other machines, and the database is a file of this one"
log = logging.getLogger("whet.server.ray")


def is_apart(kind: str, nodes: Sequence[Node]) -> bool:
    """Would a machine have to open an SQLite file of another? `kind` is that of the database. SQLite's log is shared
    memory: over a network it is spoilt (https://www.sqlite.org/wal.html)."""
    return kind == "sqlite" and not all(is_this_machine(node.host) for node in nodes)


def refuse_cluster(settings: Settings, cluster: Cluster | None = None) -> None:
    """At the start of a service whose jobs train on a cluster, once its database is open.

    Raises InputError for a cluster that cannot be used with this database, or whose jobs cannot reach database and
    home folder: a trial job tells. A cluster that does not answer, or is busy, is no error: jobs wait for it.
    """
    refuse_overridden(settings.ray)
    kind = make_url(settings.database_url).get_backend_name()
    host = place_of(settings.ray)[0]
    if kind == "sqlite" and not is_this_machine(host):
        raise _apart(host)

    asked = RayCluster(settings.ray) if cluster is None else cluster
    note = write_note(settings)
    try:
        nodes = asked.nodes()
        if is_apart(kind, nodes):
            raise _apart(next(node.host for node in nodes if not is_this_machine(node.host)))
        _try(asked, settings, note)
    except RunError as error:
        log.warning("jobs wait: %s", error)


def _try(cluster: Cluster, settings: Settings, note: Note) -> None:
    name = f"whet-trial-{note.service}-{secrets.token_hex(4)}"
    cluster.submit(name, command_for(settings.home, note), Needs(1))
    until = time.monotonic() + TRY_SECONDS
    while (end := cluster.end_of(name)) is None:
        if time.monotonic() > until:
            log.warning("the cluster has not begun a trial job in %.0f seconds: it may be busy", TRY_SECONDS)
            return
        time.sleep(POLL_SECONDS)

    well, message = end
    if not well:
        last = message.strip().rpartition("\n")[2]
        fix = f"install the same Whet where `python` of the cluster's machines finds it; {SHARE}"
        raise InputError(f"a job of this service cannot run on the cluster: {last}", where=settings.ray, fix=fix)


def _apart(host: str) -> InputError:
    fix = "use --database postgresql://USER@HOST/NAME, which all machines reach"
    return InputError(APART, where="--workers", value=host, fix=fix)
