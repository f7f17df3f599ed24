"""Alembic's entry: it migrates over the connection that it is given, within the caller's transaction."""

from alembic import context

from whet.server.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
