"""Folders for what is needed on the way to something; a killed process leaves its own to the next that succeeds."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

_LOCK = "lock"
"""In each folder, locked by its process, however that ends."""


@contextmanager
def scratch(home: Path, purpose: str) -> Iterator[Path]:
    """A new hidden folder below `home`, deleted at the end.

    Only what comes to a good end also deletes what killed processes left of the same purpose: until then it may be
    the last copy of something.
    """
    home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home, prefix=f".{purpose}-") as name:
        folder = Path(name)
        with (folder / f"{_LOCK}.new").open("w") as lock:
            with suppress(OSError):  # a file system without locks: then nobody takes the folder for a dead one's
                fcntl.flock(lock, fcntl.LOCK_EX)
                Path(lock.name).rename(folder / _LOCK)
            yield folder
            for other in home.glob(f".{purpose}-*"):
                if _was_left(other):
                    shutil.rmtree(other, ignore_errors=True)


def _was_left(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody holds it, or makes it just now
        return False
    return True
