"""A private PostgreSQL from Debian's package: a cluster in a temporary folder, reached by its unix socket only."""

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.database_server import DatabaseServer

# What a test's server need not survive: a power cut.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgreSQL(DatabaseServer):
    """A cluster of its own; its databases outlive `stop`."""

    product, package, user = "PostgreSQL", "postgresql", "postgres"
    comes_up_within, ends_by = 120, signal.SIGINT

    @classmethod
    def installed(cls) -> bool:
        """Whether its programs are there."""
        return bool(_programs())

    def url(self, name: str) -> str:
        """Of the database of that name."""
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def drop(self, name: str) -> None:
        """Delete a database, ending whoever still uses it."""
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def _cluster(self) -> Path:
        return self.folder / "cluster"

    def _making(self) -> Sequence[str | Path]:
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        return [_programs()[-1] / "initdb", "-D", self._cluster, *options]

    def _running(self) -> Sequence[str | Path]:
        options = [f"--{option}" for option in (*_FAST, "listen_addresses=", f"unix_socket_directories={self.folder}")]
        return [_programs()[-1] / "postgres", "-D", self._cluster, *options]

    def _administrators_url(self) -> str:
        return self.url("postgres").replace("postgresql:", "postgresql+psycopg2:", 1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgreSQL]:
    """One server for the session; a test has a database of its own in it."""
    with PostgreSQL.serving() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgreSQL) -> Iterator[str]:
    """The URL of a new, empty database, as a user would write it."""
    with postgres_server.a_database() as url:
        yield url


def _programs() -> list[Path]:
    """The folders of the versions' programs, the newest last."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
