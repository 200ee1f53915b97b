"""A private PostgreSQL from Debian's package: a cluster in a temporary folder, reached by its unix socket only."""

import os
import pwd
import shutil
import signal
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
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of the server's own database."""
    with serving() as server:
        yield server.url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a new, empty database."""
    name = f"test_{uuid4().hex[:12]}"
    admin = create_engine(postgres_server.replace("postgresql:", "postgresql+psycopg2:"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres_server.replace("/postgres?", f"/{name}?")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@contextmanager
def serving() -> Iterator["Server"]:
    """A server that runs; skips the test, naming what is missing."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not programs:
        pytest.skip("no PostgreSQL: install postgresql")
    if os.geteuid() == 0 and not _has_user("postgres"):
        pytest.skip("PostgreSQL does not run as root and there is no user postgres: install postgresql")
    server = Server(programs[-1])
    try:
        server.start()
        yield server
    finally:
        server.discard()


class Server:
    """A cluster of its own; its databases outlive `stop`.

    Attributes:
        url: of the server's own database.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="bitpredict-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._run_as: dict[str, Any] = {"cwd": self._folder}
        self.url = f"postgresql://postgres@/postgres?host={self._folder}"
        if os.geteuid() == 0:
            self._run_as |= {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self._folder, "postgres", "postgres")
        subprocess.run(
            [programs / "initdb", "-D", self._cluster, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            **self._run_as,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [f"--{option}" for option in (*_FAST, "listen_addresses=", f"unix_socket_directories={self._folder}")]
        command = [self._programs / "postgres", "-D", self._cluster, *options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._run_as)
        engine = self._engine()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                engine.connect().close()
            except OperationalError:
                time.sleep(0.05)
            else:
                engine.dispose()
                return
        raise RuntimeError(f"PostgreSQL did not come up: {(self._folder / 'log').read_text()}")

    def stop(self) -> None:
        """End it as an operator would who does not wait for clients: their connections are ended."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        engine = self._engine()
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url.replace("/postgres?", f"/{name}?")

    def discard(self) -> None:
        """End it and delete all that it holds."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _cluster(self) -> Path:
        return self._folder / "cluster"

    def _engine(self) -> Engine:
        url = self.url.replace("postgresql:", "postgresql+psycopg2:")
        return create_engine(url, isolation_level="AUTOCOMMIT")


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
