"""Run by Alembic: migrate over the connection that kmsd.storage.upgrade hands in."""

from alembic import context

from kmsd.storage.schema import metadata

connection = context.config.attributes["connection"]
# SQLite alters a table by making a new one: batch mode.
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
