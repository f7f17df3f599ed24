"""Opening the database: SQLite with its write-ahead log, or Postgres; the schema is brought up to date at each start.

`write` begins with the right to write (BEGIN IMMEDIATE), so that what was read in it still holds when it is written;
on Postgres the rows that decide are locked by those who read them (`FOR UPDATE`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from whet.errors import InputError, RunError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30
CLOCKS = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT extract(epoch from clock_timestamp())",
}


class Database:
    """The engine of one process. Connections are pooled; each transaction is one `with` block."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def kind(self) -> str:
        """sqlite or postgresql."""
        return self.engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self.engine.connect().execution_options(begin="BEGIN") as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self.engine.connect().execution_options(begin="BEGIN IMMEDIATE") as connection, connection.begin():
            yield connection

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the database's clock, the one that all machines share."""
        return float(connection.execute(text(CLOCKS[self.kind])).scalar_one())

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str, *, migrate: bool = True) -> Database:
    """`migrate` brings its schema up to date, as the service does; a reader leaves it as it is. Raises InputError for a
    URL that is none, RunError for a database that cannot be reached."""
    try:
        made = make_url(url)
    except ArgumentError as error:
        fix = "leave it out for SQLite, or write postgresql://user@host/name"
        raise InputError("this is no database URL", where="--database", value=url, fix=fix) from error

    if made.get_backend_name() not in CLOCKS:
        fix = "use SQLite (leave it out) or Postgres"
        raise InputError("this database is not supported", where="--database", value=made.drivername, fix=fix)
    if made.drivername == "postgresql":
        made = made.set(drivername="postgresql+psycopg")

    try:
        connecting = _arguments(made.get_backend_name())
        # Its errors would name the values of a statement, and the log must not hold what people wrote.
        engine = create_engine(made, pool_pre_ping=True, connect_args=connecting, hide_parameters=True)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        fix = "pip install 'whet[server,postgres]'"
        raise InputError("its driver is not installed", where="--database", value=made.drivername, fix=fix) from error

    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    database = Database(engine)
    try:
        if migrate:
            _migrate(database)
    except OperationalError as error:
        shown = made.render_as_string(hide_password=True)
        fix = "start it, or correct the URL"
        raise RunError(f"the database cannot be opened: {error.orig}", where=shown, fix=fix) from error
    return database


def _arguments(kind: str) -> dict[str, Any]:
    if kind == "sqlite":
        return {"timeout": BUSY_SECONDS, "check_same_thread": False}
    return {"connect_timeout": 10}


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions of its own, and late
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # an accepted job outlives a power cut
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN IMMEDIATE"))


def _migrate(database: Database) -> None:
    """All processes of a service may start at once: one brings the schema up to date, the others wait for it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with database.write() as connection:
        if database.kind == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(731915)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
