"""Dagster's instance below $BITPREDICT_HOME, shared by the commands, the webserver and the daemon."""

import os
import shutil
from pathlib import Path

from bitpredict.errors import StorageError
from bitpredict.settings import Settings

CONFIGURATION = Path(__file__).resolve().parent.parent / "dagster.yaml"


def prepare_dagster_home(settings: Settings) -> Path:
    """Make $BITPREDICT_HOME/dagster with the project's `dagster.yaml` and point Dagster to it.

    An instance that the user configured (DAGSTER_HOME is set) is left as it is.

    Raises:
        StorageError: the folder cannot be written.
    """
    if configured := os.environ.get("DAGSTER_HOME"):
        return Path(configured)
    home = settings.home / "dagster"
    try:
        home.mkdir(parents=True, exist_ok=True)
        copy = home / "dagster.yaml"
        if not copy.exists() or copy.read_bytes() != CONFIGURATION.read_bytes():
            shutil.copyfile(CONFIGURATION, copy)
    except OSError as error:
        raise StorageError(f"{home} cannot be written ({error}); set BITPREDICT_HOME to a folder that can") from error
    os.environ["DAGSTER_HOME"] = str(home)
    return home
