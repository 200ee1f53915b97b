"""Versions of a lake table: read again as they were, compared, restored, and kept as long as the setting says."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from bitpredict.errors import StorageError
from bitpredict.features.catalog import FEATURE_TABLE
from bitpredict.market.time import DAY
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from bitpredict.storage.versions import DayDifference, differences, restore, versions
from tests.support.made_rows import FIRST_DAY, made_candles, midnight

ONE_DAY = (midnight(), midnight(1))


def write(lake: Lake, day: int, close: float, minutes: int = 30) -> None:
    lake.replace(CANDLES, made_candles(day, close=close, minutes=minutes), midnight(day), midnight(day + 1))


def arrow_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


def features(day: int, value: float) -> pa.Table:
    """Rows of the feature table of which every number is `value`."""
    origins = [midnight(day) + timedelta(minutes=5 * n) for n in range(50)]
    made = {}
    for column in FEATURE_TABLE.schema:
        if pa.types.is_timestamp(column.type):
            made[column.name] = pa.array(origins, column.type)
        elif pa.types.is_string(column.type):
            made[column.name] = pa.array(["BTCUSDT"] * len(origins))
        else:
            made[column.name] = pa.array([value] * len(origins)).cast(column.type)
    return pa.table(made, schema=FEATURE_TABLE.schema)


def test_a_training_set_of_a_past_version_is_the_same_bytes_after_later_writes(lake, lake_settings):
    for day in range(3):
        lake.replace(FEATURE_TABLE, features(day, 1.0 + day), midnight(day), midnight(day + 1))
    version = lake.version(FEATURE_TABLE)
    before = arrow_bytes(lake.read(FEATURE_TABLE, midnight(0), midnight(3)))
    lake.replace(FEATURE_TABLE, features(1, 9.0), midnight(1), midnight(2))
    lake.replace(FEATURE_TABLE, FEATURE_TABLE.empty(), midnight(2), midnight(3))
    lake.maintain(FEATURE_TABLE, 30 * DAY)
    assert arrow_bytes(lake.read(FEATURE_TABLE, midnight(0), midnight(3))) != before
    for reader in (lake, Lake.from_settings(lake_settings)):
        assert arrow_bytes(reader.read(FEATURE_TABLE, midnight(0), midnight(3), version=version)) == before
    assert lake.read(FEATURE_TABLE).num_rows == 100, "the newest is read again after that"


def test_versions_say_what_made_them(lake):
    before = datetime.now(UTC) - timedelta(seconds=1)
    write(lake, 0, 1.0)
    write(lake, 1, 2.0)
    lake.replace(CANDLES, CANDLES.empty(), *ONE_DAY)
    newest, second, first = versions(lake, CANDLES, 10)
    assert [each.version for each in (newest, second, first)] == [2, 1, 0]
    assert [each.operation for each in (newest, second, first)] == ["DELETE", "WRITE", "WRITE"]
    assert (second.rows_added, second.readable) == (60, True)
    assert before <= first.made_at <= second.made_at <= datetime.now(UTC)
    assert versions(lake, CANDLES, 1) == [newest]
    assert versions(lake, FEATURE_TABLE, 10) == []


def test_differences_count_rows_by_day(lake):
    for day in range(4):
        write(lake, day, 1.0)
    before = lake.version(CANDLES)
    write(lake, 0, 1.0)  # the same once more
    write(lake, 1, 2.0)
    third = lake.read(CANDLES, midnight(2), midnight(3))
    lake.replace(CANDLES, third.slice(20), midnight(2), midnight(3))
    write(lake, 4, 1.0, minutes=5)
    after = lake.version(CANDLES)
    found = list(differences(lake, CANDLES, before, after))
    assert found == [
        DayDifference(FIRST_DAY + DAY, 0, 0, 60),
        DayDifference(FIRST_DAY + 2 * DAY, 0, 20, 0),
        DayDifference(FIRST_DAY + 4 * DAY, 10, 0, 0),
    ]
    back = list(differences(lake, CANDLES, after, before))
    assert [(day.added, day.removed, day.changed) for day in back] == [(0, 0, 60), (20, 0, 0), (0, 10, 0)]
    assert list(differences(lake, CANDLES, after, after)) == []


def test_a_null_that_stays_null_is_no_change(lake):
    rows = features(0, 1.0)
    nullable = next(n for n, column in enumerate(rows.schema) if column.nullable and pa.types.is_floating(column.type))
    nulls = rows.set_column(nullable, rows.schema.field(nullable), pa.nulls(50, rows.schema.field(nullable).type))
    one = next(n for n, c in enumerate(rows.schema) if pa.types.is_floating(c.type) and n != nullable)
    other = nulls.set_column(one, rows.schema.field(one), pa.array([1.0] * 49 + [3.0]))
    for table in (rows, nulls, other):
        lake.replace(FEATURE_TABLE, table, *ONE_DAY)
    assert [day.changed for day in differences(lake, FEATURE_TABLE, 0, 1)] == [50]
    assert [day.changed for day in differences(lake, FEATURE_TABLE, 1, 2)] == [1]


def test_a_restored_version_is_a_new_one(lake, lake_settings):
    write(lake, 0, 1.0)
    write(lake, 1, 1.0)
    old, before = lake.read(CANDLES), lake.version(CANDLES)
    write(lake, 1, 2.0)
    newest = lake.read(CANDLES)
    assert restore(lake, CANDLES, before) == before + 2
    assert lake.read(CANDLES).equals(old)
    assert Lake.from_settings(lake_settings).read(CANDLES).equals(old)
    restore(lake, CANDLES, before + 1)
    assert lake.read(CANDLES).equals(newest)
    write(lake, 2, 1.0)
    assert len(lake.days(CANDLES)) == 3


@pytest.mark.parametrize("version", [-1, 2, 99])
def test_a_version_that_never_was_is_an_error(lake, version):
    write(lake, 0, 1.0)
    write(lake, 0, 2.0)
    with pytest.raises(StorageError, match=f"no version {version}: the newest is 1;"):
        lake.read(CANDLES, version=version)
    with pytest.raises(StorageError, match="no table yet"):
        lake.read(FEATURE_TABLE, version=0)


def test_what_vacuum_removed_is_named(lake):
    write(lake, 0, 1.0)
    write(lake, 1, 1.0)
    write(lake, 0, 2.0)
    lake.maintain(CANDLES, timedelta(0))
    says = r"version 1 can no longer be read, vacuum .* removed 1 of its 2 files; .*BITPREDICT_VACUUM_AFTER_DAYS"
    for use in (
        lambda: lake.read(CANDLES, version=1),
        lambda: restore(lake, CANDLES, 1),
        lambda: list(differences(lake, CANDLES, 1, 2)),
    ):
        with pytest.raises(StorageError, match=says):
            use()
    readable = {each.version: each.readable for each in versions(lake, CANDLES, 20)}
    assert (readable[1], readable[2]) == (False, True)


def grown_old(folder: Path, days: int, written: int) -> None:
    """As if every commit had been `days` ago, of files that were written `written` days ago."""
    then, before = time.time() - days * 86_400, time.time() - written * 86_400
    for path in folder.rglob("*"):
        if path.suffix == ".json":
            actions = [json.loads(line) for line in path.read_text().splitlines()]
            for action in actions:
                if "remove" in action:
                    action["remove"]["deletionTimestamp"] = int(then * 1000)
            path.write_text("\n".join(json.dumps(action) for action in actions))
        if path.is_file():
            moment = then if "_delta_log" in path.parts else before
            os.utime(path, (moment, moment))


def test_versions_stay_readable_for_as_long_as_the_setting_says(settings):
    """Also those whose files were old already when they were replaced, through the checkpoints in between."""
    lake = Lake.from_settings(settings)
    for close in (1.0, 2.0, 3.0):
        write(lake, 0, close)
    old = lake.read(CANDLES, version=1)
    grown_old(Path(settings.lake, "candles"), days=40, written=80)
    for _ in range(2):
        assert Lake.from_settings(settings).maintain(CANDLES, 60 * DAY).files_deleted == 0
    assert lake.read(CANDLES, version=1).equals(old)
    configuration = DeltaTable(Path(settings.lake, "candles")).metadata().configuration
    assert configuration["delta.deletedFileRetentionDuration"] == "interval 60 days"
    assert configuration["delta.logRetentionDuration"] == "interval 60 days"
    assert Lake.from_settings(settings).maintain(CANDLES, 35 * DAY).files_deleted == 2
