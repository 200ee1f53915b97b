"""A private MariaDB from Debian's package: a temporary folder, in memory if it can be, and a unix socket."""

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.support.database_server import DatabaseServer

# What a test's server need not survive: a power cut.
_FAST = (
    "innodb-flush-log-at-trx-commit=0",
    "innodb-doublewrite=0",
    "innodb-flush-method=nosync",
    "innodb-log-file-size=64M",
    "innodb-buffer-pool-size=256M",
    "skip-log-bin",
)
_NO_SUCH_THREAD = 1094
_MEMORY, _ENOUGH = Path("/dev/shm"), 2**30  # noqa: S108
"""A table is made several times as quickly there, and every test makes fifteen."""


class MariaDB(DatabaseServer):
    """A server of its own; its databases outlive `stop`."""

    product, package, user = "MariaDB", "mariadb-server", "mysql"
    comes_up_within, ends_by = 120, signal.SIGTERM

    def __init__(self) -> None:
        super().__init__(_MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH else None)

    @classmethod
    def installed(cls) -> bool:
        """Whether its programs are there."""
        return None not in (_program("mariadbd"), _program("mariadb-install-db"))

    def url(self, name: str) -> str:
        """Of the database of that name."""
        return f"mysql://root@localhost/{name}?unix_socket={self._socket}"

    def drop(self, name: str) -> None:
        """Delete a database, ending whoever still uses it."""
        for number in self.run("SELECT id FROM information_schema.processlist WHERE db = :name", name=name):
            try:
                self.run(f"KILL {number}")
            except OperationalError as error:
                if error.orig is None or error.orig.args[0] != _NO_SUCH_THREAD:  # it ended by itself meanwhile
                    raise
        self.run(f"DROP DATABASE {name}")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"

    def _making(self) -> Sequence[str | Path]:
        quick = ["--skip-test-db", "--auth-root-authentication-method=normal", "--skip-name-resolve", "--skip-log-bin"]
        return [_program("mariadb-install-db") or "", *self._where(), *quick]

    def _running(self) -> Sequence[str | Path]:
        options = [f"--{option}" for option in (*_FAST, "skip-networking", f"socket={self._socket}")]
        return [_program("mariadbd") or "", *self._where(), *options]

    def _where(self) -> Sequence[str]:
        # A server that starts deletes every temporary table it finds in tmpdir: in /tmp those of its neighbours too.
        return ["--no-defaults", f"--datadir={self._data}", f"--tmpdir={self.folder}"]

    def _administrators_url(self) -> str:
        return self.url("mysql").replace("mysql:", "mysql+pymysql:", 1)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    """One server for the session; a test has a database of its own in it."""
    with MariaDB.serving() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb_server: MariaDB) -> Iterator[str]:
    """The URL of a new, empty database, as a user would write it."""
    with mariadb_server.a_database() as url:
        yield url


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
