"""An embedded database's tables as the migrations leave them, made in one go: a test that is not about migrations
would only wait for them."""

from functools import cache

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from bitpredict.storage import database

_migrate = command.upgrade
_MIGRATIONS = str(database.MIGRATIONS)


def upgrade(config: Config, revision: str) -> None:
    """Alembic's own; an empty SQLite database of ours is given what a migrated one consists of."""
    ours = config.get_main_option("script_location") == _MIGRATIONS and revision == "head"
    connection = config.attributes["connection"] if ours else None
    if connection is None or connection.dialect.name != "sqlite" or _tables(connection):
        _migrate(config, revision)
        return
    for statement in _statements():
        connection.exec_driver_sql(statement)


def _tables(connection) -> bool:
    return connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first() is not None


@cache
def _statements() -> list[str]:
    config = Config()
    config.set_main_option("script_location", _MIGRATIONS)
    with create_engine("sqlite://").begin() as connection:
        config.attributes["connection"] = connection
        _migrate(config, "head")
        dump = connection.connection.driver_connection.iterdump()
        return [line for line in dump if line not in ("BEGIN TRANSACTION;", "COMMIT;")]
