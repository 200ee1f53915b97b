"""Runs the migrations on the connection that `database.upgrade` opened; it commits, and logging stays as it is."""

from alembic import context
from sqlalchemy import Table, event

from bitpredict.storage.database import VERSION_TABLE
from bitpredict.storage.mysql_schema import told_apart
from bitpredict.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
    compare_type=True,
)
event.listen(Table, "before_create", told_apart)
try:
    with context.begin_transaction():
        context.run_migrations()
finally:
    event.remove(Table, "before_create", told_apart)
