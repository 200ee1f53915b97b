"""What the tests of the sources share: a server, and clients that wait milliseconds where a real one waits seconds."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from bitpredict.settings import Settings
from bitpredict.sources.http import HttpClient
from bitpredict.storage.database import connect
from tests.support.archive_server import ArchiveServer, serve
from tests.support.ports import nobodys_port


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with serve() as running:
        yield running


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """A database with its tables."""
    engine = connect(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def client() -> Callable[..., HttpClient]:
    def make(**changes: Any) -> HttpClient:
        quick: dict[str, Any] = {
            "timeout": 30.0,
            "attempts": 3,
            "wait_initial": 0.001,
            "wait_max": 0.005,
            "wait_jitter": 0.001,
            "interval": 0.0,
        }
        return HttpClient("test", **(quick | changes))

    return make


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine on which nothing listens."""
    with nobodys_port() as port:
        yield port
