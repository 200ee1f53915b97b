"""`bitpredict db`: the database's schema."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from bitpredict.storage.database import SchemaState

app = typer.Typer()
_db = typer.Typer(no_args_is_help=True, help="The database's schema: its version, and the upgrade to the newest.")
app.add_typer(_db, name="db")


@_db.command("upgrade")
def upgrade_command() -> None:
    """Bring the database's schema to the version that this BitPredict needs; a current one is left as it is."""
    from bitpredict.settings import load_settings
    from bitpredict.storage.database import REVISIONS, open_database, schema_state, upgrade

    engine = open_database(load_settings())
    before = _not_newer(engine, schema_state(engine))
    if before.is_current:
        typer.echo(f"{_name(engine)} has schema {before.current}, the newest")
        return
    upgrade(engine)
    typer.echo(f"{_name(engine)} upgraded from {before.current or 'no tables'} to schema {REVISIONS[-1]}")


@_db.command("status")
def status_command() -> None:
    """Show the schema's version; exit with 1 when an upgrade is needed."""
    from bitpredict.cli.stores import database_file
    from bitpredict.errors import StorageError
    from bitpredict.settings import load_settings
    from bitpredict.storage.database import REVISIONS, open_database, schema_state

    settings = load_settings()
    file = database_file(settings)
    if file is not None and not file.exists():
        raise StorageError(f"{file} does not exist yet; run bitpredict db upgrade to make it")
    engine = open_database(settings)
    state = _not_newer(engine, schema_state(engine))
    if not state.is_current:
        found = f"schema {state.current}, {REVISIONS[-1]} is needed" if state.current else "no tables yet"
        raise StorageError(f"{_name(engine)} has {found}: run bitpredict db upgrade")
    typer.echo(f"{_name(engine)} has schema {state.current}, the newest")


def _not_newer(engine: "Engine", state: "SchemaState") -> "SchemaState":
    from bitpredict.errors import StorageError
    from bitpredict.storage.database import REVISIONS

    if state.is_newer:
        raise StorageError(
            f"{_name(engine)} has schema {state.current}, made by a newer BitPredict (this one knows {REVISIONS[-1]}): "
            "update BitPredict"
        )
    return state


def _name(engine: "Engine") -> str:
    return engine.url.render_as_string(hide_password=True)
