"""The model store: one folder a version, training frames beside them by their digest. Nothing in it is a pickle."""

import json
import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bitpredict.errors import ModelError, StorageError
from bitpredict.forecasting.history import History
from bitpredict.forecasting.model import TrainedModel
from bitpredict.forecasting.model_folder import DESCRIPTION, read_folder, write_flushed, write_folder

_UNFINISHED = ".unfinished-"


class ModelStore:
    """Versions below one folder: `<version>/`, `frames/<digest>.parquet`, `evaluations/<key>.json`.

    What is there is whole: everything is written under another name, flushed to the disk and then renamed. What is
    there never changes: saving a version again leaves the first.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, version: str) -> Path:
        """Where a version is, or would be."""
        return self.root / version

    def exists(self, version: str) -> bool:
        return (self.folder(version) / DESCRIPTION).is_file()

    def versions(self) -> list[str]:
        """Every version that is stored, in alphabetical order."""
        return sorted(path.parent.name for path in self.root.glob(f"[0-9a-f]*/{DESCRIPTION}"))

    def save(self, model: TrainedModel) -> Path:
        """Store a version, whole or not at all, and return its folder.

        Raises:
            StorageError: the folder cannot be written.
        """
        if self.exists(model.version):
            return self.folder(model.version)
        self._place(self.folder(model.version), lambda unfinished: write_folder(unfinished, model))
        return self.folder(model.version)

    def load(self, version: str) -> TrainedModel:
        """Read a version.

        Raises:
            ModelError: it is not there, or what is there is not what was stored.
        """
        folder = self.folder(version)
        if not self.exists(version):
            raise ModelError(f"model version {version} is not in {self.root}; materialize its month's models")
        return read_folder(folder)

    def save_frame(self, past: History) -> Path:
        """Store a training frame under its digest and return the file."""
        path = self.root / "frames" / f"{past.digest}.parquet"
        about = {"symbol": past.symbol, "month": past.month, "feature_set_version": past.feature_set_version}
        table = past.table.replace_schema_metadata(about)
        if not path.exists():
            self._place(path, lambda unfinished: _write_parquet(unfinished, table))
        return path

    def load_frame(self, digest: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a training frame, or some of its columns.

        Raises:
            ModelError: it is not there.
        """
        path = self.root / "frames" / f"{digest}.parquet"
        if not path.is_file():
            raise ModelError(f"training frame {digest} is not in {path.parent}; materialize its month's models")
        return pq.read_table(path, columns=columns and list(columns))

    def save_evaluations(self, key: str, rows: list[dict[str, Any]]) -> None:
        """Store how the models that `key` names compared."""
        text = json.dumps(rows, indent=1, default=_isoformat).encode()
        self._place(self._evaluations(key), lambda unfinished: write_flushed(unfinished, text))

    def load_evaluations(self, key: str) -> list[dict[str, Any]] | None:
        """What `save_evaluations` stored, instants as text; None if there is nothing."""
        path = self._evaluations(key)
        rows: list[dict[str, Any]] | None = json.loads(path.read_bytes()) if path.is_file() else None
        return rows

    def _evaluations(self, key: str) -> Path:
        return self.root / "evaluations" / f"{key}.json"

    def _place(self, path: Path, fill: Callable[[Path], None]) -> None:
        """Make `path` appear whole. Who comes second finds it there, which is as good."""
        unfinished = path.with_name(f"{_UNFINISHED}{path.name}-{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fill(unfinished)
            _sync(unfinished)
            unfinished.rename(path)
            _sync(path.parent)
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            with suppress(OSError):
                unfinished.unlink()
            if not path.exists():
                raise StorageError(f"{path} cannot be written: {error}; free space or check its permissions") from error


def _write_parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")


def _sync(path: Path) -> None:
    """Flush a file, or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _isoformat(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no JSON")
