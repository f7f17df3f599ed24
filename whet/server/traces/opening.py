"""The traces of a service, read from its database without asking the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, inspect, make_url, select
from sqlalchemy.exc import DBAPIError

from whet.errors import InputError, RunError, nearest
from whet.monitoring.trace import Trace
from whet.server.database.opening import Database, open_database
from whet.server.database.tables import projects, traces
from whet.server.settings import Settings
from whet.server.traces.reading import TraceFilter, read_traces


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


def open_service(home: Path | str, project: str) -> tuple[Database, str]:
    """The database of a service, to be closed by who reads it, and the id of a project of this name. Raises as
    open_traces."""
    try:
        database = open_database(_url_of(home), migrate=False)
    except DBAPIError as error:
        why = str(error.orig).strip().partition("\n")[0]
        where, fix = _shown(home), "is it running, and is the address right?"
        raise RunError(f"the database does not answer: {why}", where=where, fix=fix) from error
    try:
        with database.read() as connection:
            found = _project_of(connection, project, str(home))
    except BaseException:
        database.close()
        raise
    return database, found


def _shown(home: Path | str) -> str:
    return make_url(str(home)).render_as_string(hide_password=True) if "://" in str(home) else str(home)


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
