"""A private PostgreSQL from Debian's package: a cluster in a temporary folder, reached by its unix socket only."""

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
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

# What a test's server need not survive: a power cut.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of the server's own database."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not programs:
        pytest.skip("no PostgreSQL: install postgresql")
    if os.geteuid() == 0 and not _has_user("postgres"):
        pytest.skip("PostgreSQL does not run as root and there is no user postgres: install postgresql")
    with serving(programs[-1]) as url:
        yield url


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
def serving(programs: Path) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="bitpredict-pg-"))
    run_as: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:
        run_as |= {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    cluster = folder / "cluster"
    subprocess.run(
        [programs / "initdb", "-D", cluster, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        stdout=subprocess.DEVNULL,
        **run_as,
    )
    options = [f"--{option}" for option in (*_FAST, "listen_addresses=", f"unix_socket_directories={folder}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([programs / "postgres", "-D", cluster, *options], stdout=log, stderr=log, **run_as)
    url = f"postgresql://postgres@/postgres?host={folder}"
    try:
        _wait(server, url, folder / "log")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:  # it waits for connections that a failed test left open
            server.kill()
            server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg2:"))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            engine.connect().close()
        except OperationalError:
            time.sleep(0.05)
        else:
            engine.dispose()
            return
    raise RuntimeError(f"PostgreSQL did not come up: {log.read_text()}")


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
