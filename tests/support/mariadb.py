"""A private MariaDB from Debian's package: a temporary folder, in memory if it can be, and a unix socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

# What a test's server need not survive: a power cut.
_FAST = (
    "innodb-flush-log-at-trx-commit=0",
    "innodb-doublewrite=0",
    "innodb-flush-method=nosync",
    "innodb-log-file-size=64M",
    "innodb-buffer-pool-size=256M",
    "skip-log-bin",
)
_MEMORY, _ENOUGH = Path("/dev/shm"), 2**30  # noqa: S108
"""A table is made several times as quickly there, and every test makes fifteen."""


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator["Server"]:
    """One server for the session; a test has a database of its own in it."""
    with serving() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb_server: "Server") -> Iterator[str]:
    """The URL of a new, empty database, as a user would write it."""
    name = f"test_{uuid4().hex[:12]}"
    yield mariadb_server.database(name)
    mariadb_server.drop(name)


@contextmanager
def serving() -> Iterator["Server"]:
    """A server that runs; skips the test, naming what is missing."""
    if not installed():
        pytest.skip("no MariaDB: install mariadb-server")
    if os.geteuid() == 0 and not _has_user("mysql"):
        pytest.skip("MariaDB does not run as root and there is no user mysql: install mariadb-server")
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.discard()


def installed() -> bool:
    return _program("mariadbd") is not None and _program("mariadb-install-db") is not None


class Server:
    """A server of its own; its databases outlive `stop` and `kill`."""

    def __init__(self) -> None:
        memory = _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH else None
        self._folder = Path(tempfile.mkdtemp(prefix="bitpredict-my-", dir=memory))
        self._process: subprocess.Popen[bytes] | None = None
        self._run_as: dict[str, Any] = {"cwd": self._folder}
        if os.geteuid() == 0:
            self._run_as |= {"user": "mysql", "group": "mysql", "extra_groups": []}
            shutil.chown(self._folder, "mysql", "mysql")
        made = subprocess.run(
            [
                *(_program("mariadb-install-db"), "--no-defaults", f"--datadir={self._data}", "--skip-test-db"),
                *("--auth-root-authentication-method=normal", "--skip-name-resolve", "--skip-log-bin"),
            ],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **self._run_as,
        )
        if made.returncode:
            raise RuntimeError(f"MariaDB's data could not be made: {made.stdout.decode()}")

    def url(self, name: str) -> str:
        """Of the database of that name."""
        return f"mysql://root@localhost/{name}?unix_socket={self._socket}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [f"--{option}" for option in (*_FAST, "skip-networking", f"socket={self._socket}")]
        command = [_program("mariadbd"), "--no-defaults", f"--datadir={self._data}", *options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._run_as)
        engine = self._engine()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                engine.connect().close()
            except OperationalError:
                time.sleep(0.05)
            else:
                engine.dispose()
                return
        raise RuntimeError(f"MariaDB did not come up: {(self._folder / 'log').read_text()}")

    def stop(self) -> None:
        """End it as an operator would: connections are ended, everything is written."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, name: str) -> None:
        """Delete a database, ending whoever still uses it."""
        engine = self._engine()
        with engine.connect() as connection:
            asks = text("SELECT id FROM information_schema.processlist WHERE db = :name")
            for number in connection.execute(asks, {"name": name}).scalars().all():
                connection.execute(text(f"KILL {number}"))
            connection.execute(text(f"DROP DATABASE {name}"))
        engine.dispose()

    def run(self, statement: str) -> None:
        """Run a statement as the server's administrator."""
        engine = self._engine()
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def discard(self) -> None:
        """End it and delete all that it holds."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _socket(self) -> Path:
        return self._folder / "socket"

    def _engine(self) -> Engine:
        return create_engine(self.url("mysql").replace("mysql:", "mysql+pymysql:", 1), isolation_level="AUTOCOMMIT")


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
