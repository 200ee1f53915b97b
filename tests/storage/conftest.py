"""The stores under test, each on every engine that it promises: the same tests run against all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from bitpredict.settings import Settings
from bitpredict.storage.database import open_database, upgrade
from bitpredict.storage.lake import Lake
from tests.support.mariadb import mariadb_server, mariadb_url
from tests.support.postgres import postgres_server, postgres_url
from tests.support.s3 import S3Server, s3_lake, s3_server

__all__ = ["mariadb_server", "mariadb_url", "postgres_server", "postgres_url", "s3_lake", "s3_server"]

SERVERS = {"postgresql": "postgres_url", "mariadb": "mariadb_url"}


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def lake_settings(request: pytest.FixtureRequest) -> Settings:
    """Settings of an empty lake; the environment has them too, for other processes."""
    if request.param == "s3":
        request.getfixturevalue("s3_lake")
    return Settings()


@pytest.fixture
def lake(lake_settings: Settings) -> Lake:
    return Lake.from_settings(lake_settings)


@pytest.fixture
def lake_folder(lake_settings: Settings, request: pytest.FixtureRequest) -> Path:
    """Where the lake's files are: below home, or below the S3 server's own folder."""
    if not lake_settings.storage_options:
        return Path(lake_settings.lake)
    server: S3Server = request.getfixturevalue("s3_server")
    return server.data / lake_settings.lake.removeprefix("s3://")


@pytest.fixture(params=["sqlite", *(pytest.param(name, marks=pytest.mark.slow) for name in SERVERS)])
def database_settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty database without tables; the environment has them too, for other processes."""
    if request.param in SERVERS:
        monkeypatch.setenv("BITPREDICT_DATABASE_URL", request.getfixturevalue(SERVERS[request.param]))
    return Settings()


@pytest.fixture
def engine(database_settings: Settings) -> Iterator[Engine]:
    """A database with its tables."""
    engine = open_database(database_settings)
    upgrade(engine)
    yield engine
    engine.dispose()
