"""An older database becomes that of this version, with everything that is in it."""

from __future__ import annotations

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, make_url, text

from whet.server.access.keys import KeyRing
from whet.server.database.opening import MIGRATIONS, Database, open_database
from whet.server.database.tables import metadata


def test_migrations_and_tables_say_the_same(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_database_of_the_first_version_keeps_what_is_in_it(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    made = make_url(url)
    engine = create_engine(made.set(drivername="postgresql+psycopg") if made.drivername == "postgresql" else made)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO projects VALUES ('proj_old', 'old', 1.0)"))
    engine.dispose()

    opened = open_database(url)
    KeyRing(opened).create("new", "old", ["infer"])
    with opened.read() as connection:
        assert connection.execute(text("SELECT id FROM projects")).scalars().all() == ["proj_old"]
        assert connection.execute(text("SELECT count(*) FROM traces")).scalar_one() == 0
    opened.close()
