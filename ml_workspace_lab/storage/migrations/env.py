"""What Alembic runs the revisions in: the connection that `revisions.upgrade` was given."""

from alembic import context

from ml_workspace_lab.storage.schema import metadata

connection = context.config.attributes["connection"]
if connection.dialect.name == "sqlite":
    # A file keeps its schema's number by itself. Alembic's table stays in memory.
    connection.exec_driver_sql("ATTACH ':memory:' AS alembic")
    found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    context.configure(
        connection=connection, target_metadata=metadata, version_table_schema="alembic"
    )
    if found:
        context.get_context().stamp(context.script, f"{found:04}")
    context.run_migrations()
    reached = context.get_context().get_current_revision()
    connection.exec_driver_sql(f"PRAGMA user_version = {int(reached or 0)}")
else:
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()
