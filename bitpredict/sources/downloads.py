"""Files that were downloaded and found good, kept so that they are only fetched again when they have changed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from bitpredict.errors import StorageError
from bitpredict.files import replace_file


@dataclass(frozen=True)
class Kept:
    """A good file and the etag under which the server gave it."""

    body: bytes
    etag: str


@dataclass(frozen=True)
class Downloads:
    """A folder of kept files. Several processes may share it: a file appears whole or not at all."""

    folder: Path

    def find(self, path: str) -> Kept | None:
        """The kept file, None if there is none or its bytes are no longer those that were kept."""
        try:
            body = (self.folder / path).read_bytes()
            note = json.loads((self.folder / f"{path}.json").read_text())
            if hashlib.sha256(body).hexdigest() == note["sha256"]:
                return Kept(body, note["etag"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return None

    def keep(self, path: str, body: bytes, etag: str) -> None:
        """Keep `body`, which the caller has found good.

        Raises:
            StorageError: the folder cannot be written, or the disk is full.
        """
        note = {"etag": etag, "sha256": hashlib.sha256(body).hexdigest()}
        _write(self.folder / path, body)
        _write(self.folder / f"{path}.json", json.dumps(note).encode())


def _write(path: Path, body: bytes) -> None:
    try:
        replace_file(path, body, mode=0o600)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}); free space or set BITPREDICT_HOME to another folder"
        ) from error
