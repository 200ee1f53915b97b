"""Runs the migrations on the connection that `database.upgrade` opened; it commits, and logging stays as it is."""

from alembic import context

from bitpredict.storage.database import VERSION_TABLE
from bitpredict.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
