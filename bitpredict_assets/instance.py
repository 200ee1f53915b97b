"""Dagster's instance below $BITPREDICT_HOME, shared by the commands, the webserver and the daemon."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from bitpredict.errors import SettingsError, StorageError
from bitpredict.settings import Settings
from bitpredict.storage.database import open_engine
from bitpredict.storage.remedies import remedy

if TYPE_CHECKING:
    from dagster import DagsterInstance

CONFIGURATION = Path(__file__).resolve().parent.parent / "dagster.yaml"
VARIABLE = "BITPREDICT_DAGSTER_DATABASE_URL"
EVENT_LOG = {"module": "bitpredict_assets.event_log", "class": "BatchedEventLog"}
_BUSY_SECONDS = 5.0


def prepare_dagster_home(settings: Settings) -> Path:
    """Make $BITPREDICT_HOME/dagster with the project's `dagster.yaml` and the records' place, and point Dagster to it.

    An instance that the user configured (DAGSTER_HOME is set) is left as it is.

    Raises:
        SettingsError: BITPREDICT_DAGSTER_DATABASE_URL is malformed or names no PostgreSQL.
        StorageError: the folder cannot be written, the configured one does not exist, or no server answers.
    """
    if configured := os.environ.get("DAGSTER_HOME"):
        if not Path(configured).is_dir():
            raise StorageError(f"DAGSTER_HOME={configured} is no folder; make it, or unset DAGSTER_HOME")
        return Path(configured)
    home = settings.home / "dagster"
    ((storage, configured_storage),) = _records(settings, home).items()
    # JSON is YAML too, and quotes whatever the folder's name has in it.
    records = f"{storage}: {json.dumps(configured_storage)}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        copy = home / "dagster.yaml"
        configuration = f"{CONFIGURATION.read_text(encoding='utf-8')}\n{records}\n"
        if not copy.exists() or copy.read_text(encoding="utf-8") != configuration:
            copy.write_text(configuration, encoding="utf-8")
    except OSError as error:
        raise _unwritable(home, error) from error
    if not os.access(home, os.W_OK):
        raise _unwritable(home, "no right to write there")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def dagster_instance(home: Path) -> Iterator["DagsterInstance"]:
    """The instance of `prepare_dagster_home`.

    Raises:
        StorageError: its records cannot be read or written. What runs stored until then stays.
    """
    from dagster import DagsterInstance

    try:
        with DagsterInstance.get() as instance:
            yield instance
    except DBAPIError as error:
        raise StorageError(f"Dagster's records in {home} failed: {remedy(error, VARIABLE)}") from error
    except OSError as error:
        raise _unwritable(home, error) from error


def _records(settings: Settings, home: Path) -> dict[str, object]:
    """Where Dagster keeps its records, as its configuration says it. The address, which may have a password in it, is
    handed on by the environment and is in no file."""
    if not settings.dagster_database_url:
        return {"event_log_storage": {**EVENT_LOG, "config": {"base_dir": f"{home / 'history' / 'runs'}"}}}
    engine = open_engine(settings.dagster_database_url, VARIABLE, _BUSY_SECONDS)
    if engine.dialect.name != "postgresql":
        raise SettingsError(f"{VARIABLE}: {engine.dialect.name} is not supported; use postgresql")
    try:
        engine.connect().close()  # Dagster would try for long, and name neither server nor setting
    except DBAPIError as error:
        raise StorageError(
            f"Dagster's records in {engine.url!r} cannot be opened: {remedy(error, VARIABLE)}"
        ) from error
    finally:
        engine.dispose()
    # With its driver: Dagster would take the bare name for psycopg 3, and crash.
    os.environ[VARIABLE] = engine.url.render_as_string(hide_password=False)
    return {"storage": {"postgres": {"postgres_url": {"env": VARIABLE}}}}


def _unwritable(home: Path, why: object) -> StorageError:
    return StorageError(f"{home} cannot be written ({why}); make it writable, or set BITPREDICT_HOME elsewhere")
