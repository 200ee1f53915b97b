"""Opening the stores to read from them: nothing is created, and what is not there yet says how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError

from bitpredict.errors import StorageError
from bitpredict.settings import Settings
from bitpredict.storage.database import connect


def nothing_yet(what: str, settings: Settings) -> StorageError:
    """The error for an empty store, with what fills it."""
    return StorageError(
        f"no {what} in {settings.home} yet; run `bitpredict demo` (the shipped sample) or "
        "`bitpredict backfill --from DAY --to DAY`, or set BITPREDICT_HOME to where they are"
    )


def database_file(settings: Settings) -> Path | None:
    """The file of an SQLite database; None on a server, or where the address is malformed."""
    return sqlite_file(settings.database)


def sqlite_file(address: str) -> Path | None:
    """The file that a URL names; None where it names a server, or is malformed."""
    try:
        url = make_url(address)
    except ArgumentError:
        return None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


@contextmanager
def existing_database(settings: Settings, wanted: str) -> Iterator[Engine]:
    """The database, to read `wanted` from.

    Raises:
        SettingsError: its address is malformed.
        StorageError: there is none yet, it is of another schema version, or it cannot be read.
    """
    file = database_file(settings)
    if file is not None and not file.exists():
        raise nothing_yet(wanted, settings)
    engine = connect(settings)
    try:
        yield engine
    finally:
        engine.dispose()
