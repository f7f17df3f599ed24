"""The traces of a service, read from its database without asking the service."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from sqlalchemy import Connection, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError

from whet.errors import InputError, RunError, nearest
from whet.monitoring.trace import Trace
from whet.server.database.opening import Database, open_database
from whet.server.database.tables import projects, traces
from whet.server.settings import Settings
from whet.server.traces.reading import TraceFilter, missing, read_spoken_of, read_traces

WATCHES = "watches"
"""Folder of a service that states of `whet watch` lie in."""


def open_traces(
    home: Path | str,
    project: str = "default",
    model: str | None = None,
    *,
    since: float | None = None,
    until: float | None = None,
    workload: str | None = None,
    newest: int | None = None,
) -> Iterator[Trace]:
    """Traces of a project (by name), oldest first; a thousand are in memory at once, however many there are.

    `home` is the folder of a service, or the URL of its database; the service may be running, and nothing is changed.
    Times are seconds since 1970, from `since` and before `until`; `newest` takes the last so many of them. Raises
    InputError, before the first trace, for a folder without a database and for a project that is not there; RunError
    for a database that cannot be reached.
    """
    database, found = open_service(home, project)
    wanted = TraceFilter(found, model, since, until, workload)
    return _read_and_close(database, wanted, newest)


class ServiceSource:
    """The traces of a service, for a watch (whet/monitoring/memory/source.py). Each call opens the database anew, and
    raises as `open_traces`."""

    in_order = True

    def __init__(self, home: Path | str, project: str = "default") -> None:
        self.home, self.project = home, project
        self.folder = None if "://" in str(home) else Path(home) / WATCHES
        shown = _shown(home) if self.folder is None else str(Path(home).resolve())
        self.name = f"{shown} {project}"

    def since(self, at: float | None) -> Iterator[Trace]:
        return open_traces(self.home, self.project, since=at)

    def latest(self, most: int) -> Iterator[Trace]:
        return open_traces(self.home, self.project, newest=most)

    def spoken_of(self, after: float) -> Iterator[Trace]:
        database, found = open_service(self.home, self.project)
        try:
            yield from read_spoken_of(database, TraceFilter(found), after)
        finally:
            database.close()

    def gone(self, ids: Collection[str]) -> set[str]:
        database, found = open_service(self.home, self.project)
        try:
            with database.read() as connection:
                return missing(connection, found, ids)
        finally:
            database.close()


def open_service(home: Path | str, project: str) -> tuple[Database, str]:
    """The database of a service, to be closed by who reads it, and the id of a project of this name. Raises as
    open_traces."""
    try:
        database = open_database(_url_of(home), migrate=False)
    except InputError as error:
        if error.where != "--database":
            raise
        fix = f"name the folder of a service, or the URL of its database; {error.fix}"
        raise InputError(error.what, where="--from", value=_hidden(str(error.value)), fix=fix) from error
    except DBAPIError as error:
        raise _unanswered(home, error) from error
    try:
        with database.read() as connection:
            return database, _project_of(connection, project, str(home))
    except DBAPIError as error:
        database.close()
        raise _unanswered(home, error) from error
    except BaseException:
        database.close()
        raise


def _unanswered(home: Path | str, error: DBAPIError) -> RunError:
    why = str(error.orig).strip().partition("\n")[0]
    fix = "is it running, and is the address right?"
    return RunError(f"the database does not answer: {why}", where=_shown(home), fix=fix)


def _hidden(url: str) -> str:
    """Without the password, also where it is no URL that can be taken apart."""
    return re.sub(r"(://[^:/@\s]*:).*@", r"\1***@", url)


def _shown(home: Path | str) -> str:
    if "://" not in str(home):
        return str(home)
    try:
        return make_url(str(home)).render_as_string(hide_password=True)
    except ArgumentError:
        return _hidden(str(home))


def _read_and_close(database: Database, wanted: TraceFilter, newest: int | None) -> Iterator[Trace]:
    try:
        yield from read_traces(database, wanted, newest)
    finally:
        database.close()


def _url_of(home: Path | str) -> str:
    if "://" in str(home):
        return str(home)
    settings = Settings(Path(home))
    file = settings.home / "whet.sqlite"
    if not file.is_file():
        fix = "name the folder of --home, or the URL of --database"
        raise InputError("no service has its database here", where=str(home), value=file.name, fix=fix)
    return settings.database_url


def _project_of(connection: Connection, name: str, where: str) -> str:
    fix = "start the service once with this version of Whet"
    inspected = inspect(connection)
    if not inspected.has_table(traces.name):
        raise InputError("the database is of a service that kept no traces", where=where, fix=fix)
    if not {column["name"] for column in inspected.get_columns(traces.name)} >= set(traces.columns.keys()):
        raise InputError("the database is of an earlier version of Whet", where=where, fix=fix)

    known = {row.name: row.id for row in connection.execute(select(projects.c.name, projects.c.id))}
    if name not in known:
        what = f"the service has no such project{nearest(name, list(known))}"
        raise InputError(what, where="project", value=name, fix=f"it has: {', '.join(sorted(known)) or 'none'}")
    return known[name]
