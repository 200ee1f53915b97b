"""What private database servers have in common: a temporary folder, a unix socket, and how they start and end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError


class DatabaseServer(ABC):
    """A server of its own, reached by its unix socket only; its databases outlive `stop`.

    Attributes:
        folder: all that it holds.
    """

    product: ClassVar[str]
    package: ClassVar[str]
    """Of Debian."""

    user: ClassVar[str]
    """Who runs it where root may not."""

    comes_up_within: ClassVar[float]
    """Seconds."""

    ends_by: ClassVar[signal.Signals]
    """What makes it end clients' connections and write everything."""

    def __init__(self, parent: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bitpredict-db-", dir=parent))
        self._process: subprocess.Popen[bytes] | None = None
        self._run_as: dict[str, Any] = {"cwd": self.folder}
        if os.geteuid() == 0:
            self._run_as |= {"user": self.user, "group": self.user, "extra_groups": []}
            shutil.chown(self.folder, self.user, self.user)
        made = subprocess.run(
            self._making(), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self._run_as
        )
        if made.returncode:
            raise RuntimeError(f"{self.product}'s data could not be made: {made.stdout.decode()}")

    @classmethod
    @abstractmethod
    def installed(cls) -> bool:
        """Whether its programs are there."""

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator[Self]:
        """A server that runs; skips the test, naming what is missing."""
        if not cls.installed():
            pytest.skip(f"no {cls.product}: install {cls.package}")
        if os.geteuid() == 0 and not _is_user(cls.user):
            pytest.skip(f"{cls.product} does not run as root and there is no user {cls.user}: install {cls.package}")
        server = cls()
        try:
            server.start()
            yield server
        finally:
            server.discard()

    @contextmanager
    def a_database(self) -> Iterator[str]:
        """The URL of a new, empty database, as a user would write it; deleted at the end."""
        name = f"test_{uuid4().hex[:12]}"
        try:
            yield self.database(name)
        finally:
            self.drop(name)

    @abstractmethod
    def url(self, name: str) -> str:
        """Of the database of that name."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Delete a database, ending whoever still uses it."""

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._running(), stdout=log, stderr=log, **self._run_as)
        engine = self._administrator()
        deadline = time.monotonic() + self.comes_up_within
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                engine.connect().close()
            except OperationalError:
                time.sleep(0.05)
            else:
                engine.dispose()
                return
        raise RuntimeError(f"{self.product} did not come up: {(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        """End it as an operator would who does not wait for clients: their connections are ended."""
        assert self._process is not None
        self._process.send_signal(self.ends_by)
        self._process.wait(120)

    def discard(self) -> None:
        """End it and delete all that it holds."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, statement: str, **values: object) -> Sequence[Any]:
        """Run a statement as the server's administrator; its rows' first values."""
        engine = self._administrator()
        with engine.connect() as connection:
            result = connection.execute(text(statement), values)
            rows = result.scalars().all() if result.returns_rows else ()
        engine.dispose()
        return rows

    @abstractmethod
    def _making(self) -> Sequence[str | Path]:
        """The command that makes its data."""

    @abstractmethod
    def _running(self) -> Sequence[str | Path]:
        """The command that is the server."""

    @abstractmethod
    def _administrators_url(self) -> str:
        """Of the server's own database, with the driver's name."""

    def _administrator(self) -> Engine:
        return create_engine(self._administrators_url(), isolation_level="AUTOCOMMIT")


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
