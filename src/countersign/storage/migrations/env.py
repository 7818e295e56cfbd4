"""Run by Alembic only: applies migrations on the connection that `migrate` hands over."""

from alembic import context
from sqlalchemy import Connection

from countersign.storage.tables import metadata

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    compare_server_default=True,
    transactional_ddl=True,
)
context.run_migrations()
