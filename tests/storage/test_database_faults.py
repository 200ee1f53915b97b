"""The database when processes die or hold its lock, disks fill, and folders cannot be written."""

import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from bitpredict.errors import StorageError
from bitpredict.settings import Settings
from bitpredict.storage import database
from bitpredict.storage.database import connect, open_database, upgrade, writing
from bitpredict.storage.evaluations import read_scorecard, replace_scorecard
from bitpredict.storage.ledger import WriteResult, latest_forecasts, write_forecasts
from tests.support.disks import open_folder, small_disk, without_rights
from tests.support.made_rows import made_forecasts
from tests.support.processes import go, running

WRITER = "tests.support.ledger_writer"
ROWS = 40_000


@pytest.fixture(autouse=True)
def _migrated_at_once() -> None:
    """Not here: every database goes through its migrations."""


def written(engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM forecasts")).scalar_one()


def is_writing(engine) -> bool:
    """Whether another process is in the middle of its transaction, with rows of it already handed over."""
    if engine.dialect.name == "sqlite":
        journal = Path(f"{engine.url.database}-wal")
        return journal.exists() and journal.stat().st_size > 1_000_000
    asks = {
        "postgresql": "FROM pg_stat_activity WHERE query LIKE 'INSERT INTO forecasts%' AND pid <> pg_backend_pid()",
        "mysql": "FROM information_schema.processlist WHERE info LIKE 'INSERT INTO forecasts%' AND time_ms > 0",
    }
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) {asks[engine.dialect.name]}")).scalar_one() > 0


@pytest.mark.slow
def test_a_process_killed_in_a_bulk_insert_leaves_none_of_it(engine, database_settings):
    write_forecasts(engine, made_forecasts(5, series="before"))
    with running(WRITER, ROWS) as writer:
        go(writer)
        deadline = time.monotonic() + 120
        while not is_writing(engine):
            assert time.monotonic() < deadline
            assert writer.poll() is None
            time.sleep(0.005)
        writer.kill()
        writer.wait()
    again = open_database(database_settings)
    assert written(again) == 5, "it was killed after its first rows and before its commit"
    assert write_forecasts(again, made_forecasts(ROWS)) == WriteResult(ROWS, 0)


def test_a_database_that_another_process_has_locked_says_so(database_settings, monkeypatch):
    upgrade(open_database(database_settings))
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    other, engine = open_database(database_settings), open_database(database_settings)
    with writing(other, alone=True):
        with pytest.raises(
            StorageError, match=r"another process held its lock for .* seconds; end that process or wait"
        ):
            replace_scorecard(engine, read_scorecard(engine))
        assert latest_forecasts(engine).empty  # readers do not wait for writers
    replace_scorecard(engine, read_scorecard(engine))
    assert write_forecasts(engine, made_forecasts(1)) == WriteResult(1, 0)


@pytest.mark.slow
def test_a_full_disk_is_an_error_and_leaves_what_was_there():
    with small_disk(kilobytes=4000) as disk:
        engine = connect(Settings(home=disk))
        first = made_forecasts(100, series="first")
        write_forecasts(engine, first)
        with pytest.raises(StorageError, match=r"the disk is full|the disk is full or fails"):
            write_forecasts(engine, made_forecasts(20_000))
        assert written(engine) == 100
        assert write_forecasts(engine, first) == WriteResult(0, 100)
        engine.dispose()
        assert written(connect(Settings(home=disk))) == 100


def test_a_folder_without_rights_is_an_error():
    with open_folder() as folder:
        home = folder / "home"
        settings = Settings(home=home)
        with (
            without_rights(folder, 0o555),
            pytest.raises(StorageError, match=r"cannot create .*home: Permission denied"),
        ):
            connect(settings)
        engine = connect(settings)
        engine.dispose()
        with without_rights(home, 0o000), pytest.raises(StorageError, match="the file cannot be opened; check"):
            connect(settings)


@pytest.mark.slow
def test_postgresql_that_goes_away_is_an_error_and_comes_back(postgres_url):
    engine = open_database(Settings(database_url=postgres_url))
    upgrade(engine)
    with engine.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    admin = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg2:"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    assert write_forecasts(engine, made_forecasts(1)) == WriteResult(1, 0)  # the pool noticed the dead connection
