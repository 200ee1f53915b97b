"""Dagster's instance below $BITPREDICT_HOME, shared by the commands, the webserver and the daemon."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from bitpredict.errors import StorageError
from bitpredict.settings import Settings
from bitpredict.storage.database import VARIABLE
from bitpredict.storage.remedies import remedy

if TYPE_CHECKING:
    from dagster import DagsterInstance

CONFIGURATION = Path(__file__).resolve().parent.parent / "dagster.yaml"
EVENT_LOG = {"module": "bitpredict_assets.event_log", "class": "BatchedEventLog"}


def prepare_dagster_home(settings: Settings) -> Path:
    """Make $BITPREDICT_HOME/dagster with the project's `dagster.yaml` and event log, and point Dagster to it.

    An instance that the user configured (DAGSTER_HOME is set) is left as it is.

    Raises:
        StorageError: the folder cannot be written, or the configured one does not exist.
    """
    if configured := os.environ.get("DAGSTER_HOME"):
        if not Path(configured).is_dir():
            raise StorageError(f"DAGSTER_HOME={configured} is no folder; make it, or unset DAGSTER_HOME")
        return Path(configured)
    home = settings.home / "dagster"
    try:
        home.mkdir(parents=True, exist_ok=True)
        copy = home / "dagster.yaml"
        # JSON is YAML too, and quotes whatever the folder's name has in it.
        event_log = json.dumps({**EVENT_LOG, "config": {"base_dir": f"{home / 'history' / 'runs'}"}})
        configuration = f"{CONFIGURATION.read_text(encoding='utf-8')}\nevent_log_storage: {event_log}\n"
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


def _unwritable(home: Path, why: object) -> StorageError:
    return StorageError(f"{home} cannot be written ({why}); make it writable, or set BITPREDICT_HOME elsewhere")
