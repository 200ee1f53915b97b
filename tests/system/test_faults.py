"""Backfills that are killed, interrupted, run twice at once, or meet a bad disk, folder or file."""

import os
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from subprocess import Popen

import dagster as dg
import psutil
import pytest

from bitpredict.forecasting.store import ModelStore
from bitpredict.market.time import MINUTES_A_DAY
from bitpredict.settings import SAMPLE_FOLDER
from tests.support.commands import bitpredict, ended, killed, started, wait_for
from tests.support.disks import small_disk, unwritable
from tests.support.homes import LAKE_TABLES, Home, assert_part_of, assert_same
from tests.system.conftest import FIRST, LAST, SMALL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WHOLE = ("backfill", "--from", FIRST, "--to", LAST)
OTHERS = ("backfill", "--from", "2023-11-14", "--to", "2023-11-17")
"""Days before those of `undisturbed`."""
OTHER_DAYS = [f"2023-11-{day}" for day in range(14, 18)]

INTERRUPTED = "interrupted: what is stored stays whole; the same command goes on from there\n"
RANDOM = random.Random(20231124)


def writes(home: Home, pattern: str) -> bool:
    """Whether a new file of that pattern is there."""
    return any(True for _ in home.path.glob(pattern))


INSTANTS = {
    "a write of features": lambda home: writes(home, "lake/price_features/day=*/*.parquet"),
    "a training": lambda home: len(list(home.path.glob("models/*/model.json"))) >= 4,
    "a version's registration": lambda home: writes(home, "mlflow-artifacts/*/*/*/model/*"),
}
"""What shows, from outside, that a backfill of an empty home is in the middle of something. A kill in the middle of the
ledger's writes is tests/storage/test_database_faults.py's."""


def test_killed_again_and_again_then_done_by_two_at_once_it_is_as_if_nothing_had_been(undisturbed, tmp_path):
    home = Home(tmp_path / "home")
    command = {"cwd": tmp_path, "BITPREDICT_HOME": home.path, **SMALL}
    for instant, reached in INSTANTS.items():
        with started(*WHOLE, **command) as backfill:
            wait_for(partial(reached, home), backfill)
            time.sleep(RANDOM.uniform(0, 0.1))
            killed(backfill)
        assert_part_of(home, undisturbed)
        store = ModelStore(home.path / "models")
        assert [store.load(version).version for version in store.versions()] == store.versions(), instant
    with started(*WHOLE, **command) as one, started(*WHOLE, **command) as other:
        both = ended(one, 900), ended(other, 900)
    assert [(done.code, done.err) for done in both] == [(0, "")] * 2
    assert any("was killed before it ended; it is marked as failed now" in done.out for done in both)
    assert_same(home.everything(stamps=False), undisturbed.everything(stamps=False))
    with dg.DagsterInstance.from_config(str(home.path / "dagster")) as instance:
        assert not [run.run_id for run in instance.get_runs() if not run.is_finished]
        assert not instance.event_log_storage.get_concurrency_run_ids()


def test_ctrl_c_ends_a_backfill_wherever_it_is(undisturbed, tmp_path):
    """One that writes, and one that waits until the first leaves the table (which stands still meanwhile)."""
    home = Home(tmp_path / "home")
    settings = {"BITPREDICT_HOME": home.path, **SMALL}
    days = ("backfill", "--from", "2023-11-18", "--to", "2023-11-20")
    with started(*days, cwd=tmp_path, **settings) as writer:
        wait_for(lambda: writes(home, "lake/binance_candles/day=*/*.parquet"), writer)
        stop_outside_a_transaction(writer, home)
        with (
            started(*days, cwd=tmp_path, **settings) as waiter,
            dg.DagsterInstance.from_config(str(home.path / "dagster")) as instance,
        ):
            wait_for(lambda: len(instance.event_log_storage.get_concurrency_run_ids()) == 2, waiter)
            for process in (waiter, writer):
                process.send_signal(signal.SIGINT)
                process.send_signal(signal.SIGCONT)
                done = ended(process)
                assert (done.code, done.err) == (130, INTERRUPTED)
            assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.FAILURE}
            assert not instance.event_log_storage.get_concurrency_run_ids()
    assert_part_of(home, undisturbed)


def stop_outside_a_transaction(process: "Popen[str]", home: Home) -> None:
    """It stands still, and holds no lock of Dagster's records, for which others would wait in vain."""
    while True:
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, process)
        if not any(map(locked, (home.path / "dagster").rglob("*.db"))):
            return
        process.send_signal(signal.SIGCONT)


def locked(database: Path) -> bool:
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return True
        return False


def test_a_corrupt_file_is_named_and_what_is_stored_stays(copied, undisturbed, tmp_path):
    archive = tmp_path / "archive"
    shutil.copytree(SAMPLE_FOLDER, archive, ignore=lambda _folder, names: [n for n in names if "ETHUSDT" in n])
    (bad,) = archive.rglob("BTCUSDT-1m-2023-11-16.zip")
    bad.write_bytes(bad.read_bytes()[: bad.stat().st_size // 2])
    settings = {"BITPREDICT_HOME": copied.path, "BITPREDICT_ARCHIVE_URL": archive, **SMALL}
    error = bitpredict(*OTHERS, cwd=tmp_path, **settings).one_error()
    assert "BTCUSDT-1m-2023-11-16.zip" in error
    assert_same(copied.everything(), undisturbed.everything())


def test_a_full_disk_is_one_error_and_a_rerun_completes(undisturbed, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    with small_disk(kilobytes=128 * 1024) as disk:
        shutil.copytree(undisturbed.path, disk / "home")
        home, ballast = Home(disk / "home"), disk / "ballast"
        settings = {"BITPREDICT_HOME": home.path, **SMALL}
        for left in (3 * 2**20, 0):  # room for some tables, and not even for Dagster's records
            with ballast.open("ab") as file:
                file.write(bytes(shutil.disk_usage(disk).free - left))
            error = bitpredict(*OTHERS, cwd=tmp_path, **settings).one_error()
            assert "the disk is full" in error
            assert_part_of(undisturbed, home)
        ballast.unlink()
        done = bitpredict(*OTHERS, cwd=tmp_path, **settings)
        assert (done.code, done.err) == (0, "")
        assert_part_of(undisturbed, home)
        assert_whole(home)


def assert_whole(home: Home) -> None:
    """The other days are there with all their rows, each once: the home's first minute has none before it, which the
    origin at that minute would need."""
    first = OTHER_DAYS[0]
    for table in LAKE_TABLES:
        days = Counter(f"{day}" for day in home.lake(table)["day"].to_pylist())
        rows, missing = (MINUTES_A_DAY, 0) if "candles" in table else (MINUTES_A_DAY // 5, 1)
        expected = {**dict.fromkeys(OTHER_DAYS, rows), first: rows - missing}
        assert {day: days[day] for day in OTHER_DAYS} == expected, table


@pytest.mark.parametrize("part", ["", "lake"])
def test_a_folder_that_cannot_be_written_is_one_error(copied, undisturbed, tmp_path, part):
    with unwritable(copied.path / part):
        done = bitpredict(*OTHERS, cwd=tmp_path, BITPREDICT_HOME=copied.path, **SMALL)
    assert str(copied.path) in done.one_error()
    assert "BITPREDICT_" in done.err
    assert_same(copied.everything(), undisturbed.everything())


def test_a_home_that_cannot_be_made_is_one_error(tmp_path):
    with unwritable(tmp_path):
        done = bitpredict(*OTHERS, cwd=Path("/"), BITPREDICT_HOME=tmp_path / "home", **SMALL)
    assert str(tmp_path) in done.one_error()
    assert "BITPREDICT_HOME" in done.err
