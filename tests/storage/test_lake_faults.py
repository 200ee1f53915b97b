"""The lake when processes die or meet, disks fill, and folders hold something else."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError

from bitpredict.errors import StorageError
from bitpredict.market.time import DAY, MINUTES_A_DAY
from bitpredict.settings import Settings
from bitpredict.storage import delta
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from tests.support.disks import open_folder, small_disk, without_rights
from tests.support.made_rows import FIRST_DAY, made_candles, midnight
from tests.support.processes import go, running, succeed

WRITER = "tests.support.lake_writer"
ROWS_A_DAY = 2 * MINUTES_A_DAY


def closes(lake: Lake, first: int, days: int) -> set[tuple[int, float]]:
    """Rows and price of each day, which is one pair if the day is wholly of one writing."""
    rows = lake.read(CANDLES, midnight(first), midnight(first + days), columns=["open_time", "close"])
    rows = rows.append_column("day", rows["open_time"].cast(pa.date32()))
    counted = rows.group_by(["day", "close"]).aggregate([([], "count_all")])
    assert len(pc.unique(counted["day"])) == days
    return set(zip(counted["count_all"].to_pylist(), counted["close"].to_pylist(), strict=True))


def parquet_files(folder: Path) -> set[Path]:
    return set(folder.rglob("*.parquet"))


@pytest.mark.slow
def test_a_writer_killed_in_the_middle_leaves_the_version_before(lake, lake_settings, lake_folder):
    days, old = 100, made_candles(0, 100, close=1.0)
    for _ in range(6):
        version = lake.replace(CANDLES, old, midnight(), midnight(days))
        before = parquet_files(lake_folder)
        with running(WRITER, 0, days, days, 1, 2.0) as writer:
            go(writer)
            deadline = time.monotonic() + 120
            while parquet_files(lake_folder) == before:
                assert time.monotonic() < deadline
            writer.kill()
            writer.wait()
        fresh = Lake.from_settings(lake_settings)
        landed = fresh.version(CANDLES) != version
        assert closes(fresh, 0, days) == {(ROWS_A_DAY, 2.0 if landed else 1.0)}
        assert closes(lake, 0, days) == closes(fresh, 0, days)
        if not landed:
            break
    else:
        pytest.fail("no writer was killed between its first file and its commit")
    assert len(parquet_files(lake_folder) - before) > 0
    lake.replace(CANDLES, made_candles(0, days, close=3.0), midnight(), midnight(days))
    assert closes(lake, 0, days) == {(ROWS_A_DAY, 3.0)}


@pytest.mark.slow
def test_files_of_a_killed_writer_are_vacuumed_when_they_are_old(tmp_path):
    lake = Lake(str(tmp_path))
    lake.replace(CANDLES, made_candles(0), midnight(), midnight(1))
    orphans = [tmp_path / "candles" / f"day={FIRST_DAY}" / f"part-{name}.parquet" for name in ("old", "new")]
    for orphan in orphans:
        orphan.write_bytes(b"half a file")
    a_week_ago = time.time() - 7 * DAY.total_seconds()
    os.utime(orphans[0], (a_week_ago, a_week_ago))
    assert lake.maintain(CANDLES, DAY).files_deleted == 1
    assert [orphan.exists() for orphan in orphans] == [False, True]
    assert lake.read(CANDLES).num_rows == ROWS_A_DAY


@pytest.mark.slow
def test_two_processes_that_write_different_days_both_land(lake):
    with running(WRITER, 0, 12, 1, 1, 1.0) as one, running(WRITER, 12, 12, 1, 1, 2.0) as other:
        go(one)
        go(other)
        succeed(one)
        succeed(other)
    assert lake.days(CANDLES) == [FIRST_DAY + i * DAY for i in range(24)]
    assert closes(lake, 0, 12) == {(ROWS_A_DAY, 1.0)}
    assert closes(lake, 12, 12) == {(ROWS_A_DAY, 2.0)}


@pytest.mark.slow
def test_of_two_processes_that_write_one_range_one_wins_wholly(lake):
    with running(WRITER, 0, 5, 5, 6, 1.0) as one, running(WRITER, 0, 5, 5, 6, 2.0) as other:
        go(one)
        go(other)
        succeed(one)
        succeed(other)
    assert closes(lake, 0, 5) in ({(ROWS_A_DAY, 1.0)}, {(ROWS_A_DAY, 2.0)})
    assert lake.read(CANDLES).num_rows == 5 * ROWS_A_DAY


def test_a_writer_that_never_comes_first_gives_up_with_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(delta, "ATTEMPTS", 3)
    tables, calls = delta.DeltaTables(str(tmp_path), {}), []

    def beaten(_: object) -> int:
        calls.append(1)
        raise CommitFailedError("a concurrent transaction added new data")

    with (
        pytest.raises(StorageError, match="other writers were first 3 times; run it again"),
        tables.explained(CANDLES, "write"),
    ):
        tables.commit(CANDLES, beaten)
    assert len(calls) == 3


def test_small_files_of_a_day_are_merged(tmp_path):
    lake = Lake(str(tmp_path))
    rows = made_candles(0)
    lake.replace(CANDLES, rows.slice(0, 100), midnight(), midnight(1))
    for part in (rows.slice(100, 900), rows.slice(1000)):  # as an older program may have appended them
        part = part.append_column("day", part["open_time"].cast(pa.date32()))
        write_deltalake(str(tmp_path / "candles"), part, mode="append")
    done = lake.maintain(CANDLES, DAY)
    assert (done.files_merged, done.files_written) == (3, 1)
    assert lake.read(CANDLES).equals(rows)


@pytest.mark.slow
def test_a_full_disk_leaves_the_table_as_it_was():
    with small_disk(kilobytes=700) as disk:
        lake = Lake(str(disk / "lake"))
        small = made_candles(0, minutes=60)
        lake.replace(CANDLES, small, midnight(), midnight(1))
        with pytest.raises(StorageError, match="the disk is full; free some space and run it again"):
            lake.replace(CANDLES, made_candles(0, 10), midnight(), midnight(10))
        assert lake.read(CANDLES).equals(small)
        assert Lake(str(disk / "lake")).read(CANDLES).equals(small)
        lake.replace(CANDLES, made_candles(1, minutes=1), midnight(1), midnight(2))
        assert lake.days(CANDLES) == [FIRST_DAY, FIRST_DAY + DAY]


def test_a_folder_without_rights_is_an_error_and_never_an_empty_table():
    with open_folder() as folder:
        root = folder / "lake"
        rows = made_candles(0)
        Lake(str(root)).replace(CANDLES, rows, midnight(), midnight(1))
        with without_rights(folder, 0o555):
            assert Lake(str(root)).read(CANDLES).equals(rows)
            for path in (root, folder / "another"):
                with pytest.raises(StorageError, match=r"cannot write .*this user lacks the rights"):
                    Lake(str(path)).replace(CANDLES, made_candles(1), midnight(1), midnight(2))
        with (
            without_rights(root, 0o000),
            pytest.raises(StorageError, match=r"cannot read .*this user lacks the rights"),
        ):
            Lake(str(root)).read(CANDLES)
        assert Lake(str(root)).read(CANDLES).equals(rows)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        pytest.param({"x": [1]}, r"partitioned by \[\] and not by day; move that folder away", id="of somebody else"),
        pytest.param(None, "a file is where its folder would be", id="a file"),
    ],
)
def test_something_else_in_the_tables_place_is_refused_and_kept(tmp_path, table, says):
    path = tmp_path / "candles"
    if table is None:
        path.write_text("notes")
    else:
        write_deltalake(str(path), pa.table(table))
    for act in (
        lambda: Lake(str(tmp_path)).read(CANDLES),
        lambda: Lake(str(tmp_path)).replace(CANDLES, made_candles(0), midnight(), midnight(1)),
    ):
        with pytest.raises(StorageError, match=says):
            act()


def test_a_table_made_anew_elsewhere_is_not_mixed_with_the_one_in_memory(tmp_path):
    first, second = Lake(str(tmp_path / "lake")), Lake(str(tmp_path / "lake"))
    for _ in range(3):
        first.replace(CANDLES, made_candles(0, 2, close=1.0), midnight(), midnight(2))
    (tmp_path / "lake").rename(tmp_path / "gone")
    assert first.read(CANDLES).num_rows == 0
    for day in range(4):
        second.replace(CANDLES, made_candles(day, close=2.0), midnight(day), midnight(day + 1))
    assert closes(first, 0, 4) == {(ROWS_A_DAY, 2.0)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        pytest.param("S3_SECRET_ACCESS_KEY", "wrong", "the S3 server refuses these keys; set BITPREDICT", id="secret"),
        pytest.param("S3_ACCESS_KEY_ID", "nobody", "the S3 server refuses these keys; set BITPREDICT", id="key"),
        pytest.param("LAKE_URL", "s3://no-such-bucket/lake", "the bucket does not exist; create it", id="bucket"),
        pytest.param("S3_ENDPOINT_URL", "http://127.0.0.1:9", "no S3 server answers; start it or set", id="server"),
    ],
)
@pytest.mark.usefixtures("s3_lake")
def test_an_s3_lake_that_cannot_be_reached_says_why(monkeypatch, setting, value, says):
    monkeypatch.setenv(f"BITPREDICT_{setting}", value)
    lake = Lake.from_settings(Settings())
    with pytest.raises(StorageError, match=says):
        lake.read(CANDLES)
    with pytest.raises(StorageError, match=says):
        lake.replace(CANDLES, made_candles(0), midnight(), midnight(1))
