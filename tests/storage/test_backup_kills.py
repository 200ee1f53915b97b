"""`kill -9` while a backup is made or restored: nothing that was stored is lost or doubled, half a backup is none, and
the same command, run again, completes."""

import hashlib
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from sqlalchemy import text

from bitpredict.settings import Settings
from bitpredict.storage.backups import backup_store, backups, find_backup, make_backup, verify, what_is_there
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES
from bitpredict.storage.database import open_database, reading, upgrade
from bitpredict.storage.dumps import load
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import write_forecasts
from bitpredict.storage.schema import metadata
from tests.support.backup_worker import KEPT
from tests.support.made_rows import made_candles, made_forecasts, midnight
from tests.support.processes import go, running, succeed

WORKER = "tests.support.backup_worker"
CONTRACTS = (CANDLES, BINANCE_CANDLES)
DAYS, FORECASTS = 20, 8_000
ROUNDS = 4

State = dict[str, str]

pytestmark = pytest.mark.slow


def fill(settings: Settings, close: float, series: str) -> None:
    """Rows that `close` and `series` tell from others; those of the database come beside what is there."""
    lake, rows = Lake.from_settings(settings), made_candles(0, DAYS, close=close)
    lake.replace(CANDLES, rows, midnight(), midnight(DAYS))
    lake.replace(BINANCE_CANDLES, rows.drop_columns(["halted"]), midnight(), midnight(DAYS))
    engine = open_database(settings)
    upgrade(engine)
    write_forecasts(engine, made_forecasts(FORECASTS, series=series))
    engine.dispose()


def state(settings: Settings) -> State:
    """A digest of every row of each of the lake's tables and of the database, as far as there are any."""
    there, found = what_is_there(settings), {}
    for contract in CONTRACTS:
        if f"lake table {contract.table}" in there:
            found[contract.table] = digest(Lake.from_settings(settings).read(contract).to_pandas())
    if there and there[0].startswith("database"):
        engine = open_database(settings)
        with reading(engine) as connection:
            if engine.dialect.name == "sqlite":
                assert connection.execute(text("PRAGMA integrity_check")).scalars().all() == ["ok"]
            tables = [pd.read_sql(table.select(), connection) for table in metadata.sorted_tables]
        engine.dispose()
        found["database"] = " ".join(map(digest, tables))
    return found


def digest(rows: pd.DataFrame) -> str:
    """Alike whatever the order of the rows, and other if one is there twice."""
    hashes = np.sort(pd.util.hash_pandas_object(rows, index=False).to_numpy())
    return f"{len(rows)} {hashlib.sha256(hashes.tobytes()).hexdigest()}"


@dataclass(frozen=True)
class Homes:
    """A home with other rows than its backup.

    Attributes:
        saved: what the backup has.
        newer: what the home has.
    """

    home: Path
    backups: Path
    saved: State
    newer: State


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    folder = tmp_path_factory.mktemp("homes")
    settings = Settings(home=folder / "home", backup_url=str(folder / "backups"))
    fill(settings, 1.0, "a")
    saved = state(settings)
    make_backup(settings, datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    fill(settings, 2.0, "b")
    return Homes(settings.home, folder / "backups", saved, state(settings))


@pytest.fixture
def own(homes: Homes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A copy of both, which the environment names too."""
    shutil.copytree(homes.backups, tmp_path / "backups")
    monkeypatch.setenv("BITPREDICT_BACKUP_URL", str(tmp_path / "backups"))
    shutil.copytree(homes.home, tmp_path / "home")
    return Settings()


def finished(what: str) -> float:
    """Let it come to its end; the seconds it took."""
    with running(WORKER, what) as process:
        started = time.monotonic()
        go(process)
        succeed(process)
        return time.monotonic() - started


def killed(what: str, after: float) -> bool:
    """Kill it so many seconds after its beginning. Whether it was still at it."""
    with running(WORKER, what) as process:
        go(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(after)
        process.kill()
        return process.wait() == -signal.SIGKILL


def killed_with_its_children(what: str, once: Callable[[psutil.Process], bool]) -> None:
    """Kill it and the programs that it runs, once that is true of it; it may have come to its end before."""
    with running(WORKER, what) as process:
        family = psutil.Process(process.pid)
        go(process)
        deadline = time.monotonic() + 120
        while process.poll() is None and not once(family):
            assert time.monotonic() < deadline
        children: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            family.suspend()  # to look for its children takes some time
            children = family.children(recursive=True)
        for each in (family, *children):
            with suppress(psutil.NoSuchProcess):
                each.kill()
        assert process.wait() in (0, -signal.SIGKILL), process.communicate()


def moments(seconds: float) -> list[float]:
    """Some in each part of so many seconds."""
    return [seconds * (part + random.random()) / ROUNDS for part in range(ROUNDS)]


def test_a_backup_killed_in_the_middle_is_none_and_the_next_one_is_whole(own, homes):
    store, before = backup_store(own), state(own)
    seconds, in_the_middle = finished("make"), 0
    for after in moments(seconds):
        there = {backup.name for backup in backups(store)}
        half = killed("make", after)
        for backup in backups(store):
            verify(store, backup)
        new = {backup.name for backup in backups(store)} - there
        assert len(new) <= 1
        in_the_middle += half and not new
        assert find_backup(own, "latest")[1].name == max(there | new)
        assert state(own) == before, f"killed after {after} s"
    assert in_the_middle, "no kill met it at its work"
    finished("make")
    assert len(backups(store)) == len(store.folders("")) == KEPT, "what was never finished is gone"
    assert not list(own.home.glob(".*")), "nothing is left lying about"
    shutil.rmtree(own.home)
    finished("restore")
    assert state(own) == homes.newer


def test_a_restore_killed_in_the_middle_leaves_each_store_as_it_was_or_as_it_was_saved(own, homes):
    old, in_the_middle = {table: Lake.from_settings(own).version(table) for table in CONTRACTS}, 0
    seconds = finished("restore")
    assert state(own) == homes.saved
    for after in moments(seconds):
        shutil.rmtree(own.home)
        shutil.copytree(homes.home, own.home)
        for _ in range(2):
            half = killed("restore", after)
            now = state(own)
            assert now.keys() == homes.newer.keys(), f"killed after {after} s"
            restored = {table for table in now if now[table] == homes.saved[table]}
            assert all(now[table] == homes.newer[table] for table in now.keys() - restored), f"killed after {after} s"
            assert "database" not in restored or restored == now.keys(), "it is the last"
            in_the_middle += half and restored != now.keys()
        finished("restore")
        assert state(own) == homes.saved, f"killed after {after} s"
        assert not list(own.home.glob(".*")), "nothing is left lying about"
        lake = Lake.from_settings(own)
        for contract, version in old.items():
            assert digest(lake.read(contract, version=version).to_pandas()) == homes.newer[contract.table]
    assert in_the_middle, "no kill met it at its work"


def test_a_restore_into_an_empty_home_killed_in_the_middle_leaves_no_half_table(own, homes):
    in_the_middle = 0
    shutil.rmtree(own.home)
    seconds = finished("restore")
    for after in moments(seconds):
        shutil.rmtree(own.home)
        for _ in range(2):
            half = killed("restore", after)
            now = state(own)
            assert now.items() <= homes.saved.items(), f"killed after {after} s"
            assert "database" not in now or now == homes.saved, "it is the last"
            in_the_middle += half and now != homes.saved
        finished("restore")
        assert state(own) == homes.saved, f"killed after {after} s"
        assert not list(own.home.glob(".*")), "nothing is left lying about"
    assert in_the_middle, "no kill met it at its work"


def test_a_database_in_the_middle_of_its_restore_is_what_it_was(own, homes):
    """The last step is the only one that touches it: SQLite takes back what was not committed."""
    large, kept = 30_000_000, 0
    with closing(sqlite3.connect(own.home / "bitpredict.db")) as connection:
        connection.execute("CREATE TABLE large AS SELECT zeroblob(?) AS bytes", (large,))
        connection.commit()
    make_backup(own)
    saved = homes.newer

    def copying(_: psutil.Process) -> bool:
        with suppress(FileNotFoundError):
            return (own.home / "bitpredict.db-wal").stat().st_size > large / 10
        return False

    for number in range(3):
        with closing(sqlite3.connect(own.home / "bitpredict.db")) as connection:
            connection.execute("UPDATE forecasts SET q50 = ?", (number + 7,))
            connection.commit()
        newer = state(own)
        assert newer != saved
        killed_with_its_children("restore", copying)
        now = state(own)
        assert now in (newer, saved)
        kept += now == newer
    assert kept, "no kill met it before its commit"
    finished("restore")
    assert state(own) == saved


@pytest.mark.parametrize("server", ["postgres_url", "mariadb_url"])
def test_a_servers_database_is_whole_or_what_it_had_is_in_a_file(server, tmp_path, request, monkeypatch):
    """Whether PostgreSQL or MariaDB, which commits table by table: the process and the server's program are killed."""
    monkeypatch.setenv("BITPREDICT_DATABASE_URL", request.getfixturevalue(server))
    monkeypatch.setenv("BITPREDICT_BACKUP_URL", str(tmp_path / "backups"))
    settings = Settings()
    fill(settings, 1.0, "a")
    saved = state(settings)
    make_backup(settings)
    loader, whole = ("psql" if server == "postgres_url" else "mariadb"), []

    def loading(process: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            return any(child.name() == loader for child in process.children())
        return False

    for longest in (0.0, 0.5):  # the first is killed as soon as the program is there
        engine = open_database(settings)
        write_forecasts(engine, made_forecasts(FORECASTS, series="b"))
        newer, later = state(settings)["database"], longest * random.random()
        killed_with_its_children("restore", lambda process, later=later: loading(process) and not time.sleep(later))
        whole.append(state(settings).get("database"))
        if whole[-1] not in (newer, saved["database"]):
            assert server == "mariadb_url"
            (kept,) = settings.home.glob(".restore-*/*.before.sql")
            load(engine, kept)
            assert state(settings)["database"] == newer
        engine.dispose()
        finished("restore")
        assert state(settings) == saved
        assert not list(settings.home.glob(".*")), "nothing is left lying about"
    assert set(whole) != {saved["database"]}, "no kill met it at its work"
