"""What every lake does, on a folder and on a real S3 server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.errors import ContractError, StorageError
from bitpredict.market.time import DAY, MINUTE, MINUTES_A_DAY
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES, Contract, field
from bitpredict.storage.lake import Lake, Maintenance
from tests.support.made_rows import FIRST_DAY, made_candles, midnight


def filled(lake: Lake, days: int) -> pa.Table:
    rows = made_candles(0, days)
    lake.replace(CANDLES, rows, midnight(), midnight(days))
    return rows


def changed(contract: Contract, schema: pa.Schema) -> Contract:
    return replace(contract, schema=schema)


def test_a_table_that_was_never_written_reads_as_empty(lake):
    assert lake.read(CANDLES).equals(CANDLES.empty())
    assert lake.read(CANDLES, columns=["close"]).schema.names == ["close"]
    assert lake.version(CANDLES) is None
    assert lake.days(CANDLES) == []
    assert lake.maintain(CANDLES, DAY) == Maintenance(0, 0, 0, None)


def test_nothing_written_to_nothing_makes_no_table(lake):
    assert lake.replace(CANDLES, CANDLES.empty(), midnight(), midnight(3)) == -1
    assert lake.version(CANDLES) is None


def test_what_was_written_is_read(lake):
    rows = filled(lake, 3)
    read = lake.read(CANDLES)
    assert read.equals(CANDLES.conform(rows))
    assert read.schema.equals(CANDLES.schema, check_metadata=True)
    assert lake.days(CANDLES) == [FIRST_DAY + i * DAY for i in range(3)]


def test_numbers_and_instants_come_back_bit_for_bit(lake):
    numbers = [5e-324, 1e-12, 0.1 + 0.2, 1 / 3, 12345678.12345678, 2.2250738585072014e-308, 1.7976931348623157e308, 1.0]
    times = [midnight() + timedelta(microseconds=i) for i in (0, 1, 999, 1000, 86_399_999_999, 43_200_000_001, 7, 3)]
    rows = made_candles(0, minutes=len(times), symbols=1)
    for name in ("open", "volume"):
        rows = rows.set_column(rows.schema.get_field_index(name), CANDLES.schema.field(name), pa.array(numbers))
    rows = rows.set_column(1, CANDLES.schema.field(1), pa.array(times, pa.timestamp("us", "UTC")))
    negative_zero = pa.array([-0.0] * len(times))
    rows = rows.set_column(rows.schema.get_field_index("volume"), CANDLES.schema.field("volume"), negative_zero)
    lake.replace(CANDLES, rows, midnight(), midnight(1))
    expected, read = rows.sort_by("open_time"), lake.read(CANDLES)
    for name in ("open", "volume"):
        assert read[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes()
    assert read["open_time"].to_pylist() == sorted(times)
    # The last microsecond of the day is inside it, and no statistics of rounded bounds hide it.
    assert lake.read(CANDLES, times[4], midnight(1)).num_rows == 1
    assert lake.read(CANDLES, midnight(), times[4]).num_rows == 7


def test_rows_come_by_time_then_key_however_they_were_written(lake):
    rows = made_candles(0, 2)
    shuffled = rows.take(pa.array(np.random.default_rng(3).permutation(rows.num_rows)))
    lake.replace(CANDLES, shuffled, midnight(), midnight(2))
    read = lake.read(CANDLES)
    assert read.equals(rows)
    pairs = list(zip(read["open_time"].to_pylist(), read["symbol"].to_pylist(), strict=True))
    assert pairs == sorted(pairs)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param(midnight(1), midnight(2), id="one day"),
        pytest.param(midnight(1) + 90 * MINUTE, midnight(2) + 30 * MINUTE, id="across midnight"),
        pytest.param(midnight(1) + MINUTE, midnight(1) + 2 * MINUTE, id="one minute"),
        pytest.param(None, midnight(1), id="no start"),
        pytest.param(midnight(2), None, id="no end"),
        pytest.param(midnight(7), midnight(9), id="after everything"),
        pytest.param(midnight(2), midnight(2), id="empty"),
    ],
)
def test_a_range_holds_its_start_and_not_its_end(lake, start, end):
    rows = filled(lake, 3)
    times = rows["open_time"].to_pylist()
    inside = [(start is None or time >= start) and (end is None or time < end) for time in times]
    assert lake.read(CANDLES, start, end).equals(rows.filter(pa.array(inside)))


def test_columns_and_symbols_are_chosen_by_the_reader(lake):
    rows = filled(lake, 2)
    read = lake.read(CANDLES, columns=["close", "open"], symbols=["ETHUSDT"])
    wanted = rows.filter(pc.equal(rows["symbol"], "ETHUSDT")).select(["close", "open"])
    assert read.equals(wanted)
    assert lake.read(CANDLES, symbols=["DOGEUSDT"]).num_rows == 0
    assert lake.read(CANDLES, symbols=[]).num_rows == 0


def test_only_the_days_asked_for_are_opened(lake, lake_folder):
    filled(lake, 3)
    for day in (0, 2):
        (file,) = (lake_folder / "candles" / f"day={FIRST_DAY + day * DAY}").iterdir()
        file.write_bytes(b"spoiled")
    assert lake.read(CANDLES, midnight(1), midnight(2)).num_rows == 2 * MINUTES_A_DAY
    with pytest.raises(StorageError, match="the table is damaged; move its folder away"):
        lake.read(CANDLES)


def test_replacing_a_day_leaves_the_others(lake):
    rows = filled(lake, 3)
    day = made_candles(1, close=7.0, minutes=10)
    assert lake.replace(CANDLES, day, midnight(1), midnight(2)) == 1
    assert lake.read(CANDLES, midnight(1), midnight(2)).equals(day)
    for i in (0, 2):
        times = rows["open_time"].to_pylist()
        before = rows.filter(pa.array([midnight(i) <= time < midnight(i + 1) for time in times]))
        assert lake.read(CANDLES, midnight(i), midnight(i + 1)).equals(before)


def test_twice_is_once(lake):
    rows = filled(lake, 2)
    filled(lake, 2)
    assert lake.read(CANDLES).equals(rows)


def test_days_of_the_range_without_rows_become_empty_in_the_same_commit(lake):
    filled(lake, 4)
    before = lake.version(CANDLES)
    lake.replace(CANDLES, made_candles(2, close=1.0), midnight(1), midnight(4))
    assert lake.version(CANDLES) == before + 1
    assert lake.days(CANDLES) == [FIRST_DAY, FIRST_DAY + 2 * DAY]


def test_an_empty_table_deletes_days_and_a_second_time_commits_nothing(lake):
    filled(lake, 3)
    deleted = lake.replace(CANDLES, CANDLES.empty(), midnight(1), midnight(2))
    assert deleted == 1
    assert lake.days(CANDLES) == [FIRST_DAY, FIRST_DAY + 2 * DAY]
    assert lake.replace(CANDLES, CANDLES.empty(), midnight(1), midnight(2)) == deleted
    assert lake.version(CANDLES) == deleted
    assert Lake.from_settings(Settings()).version(CANDLES) == deleted


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        pytest.param(midnight(1), midnight(2), "do not lie inside", id="another day"),
        pytest.param(midnight() - DAY, midnight(), "do not lie inside", id="the end is outside"),
        pytest.param(midnight() + MINUTE, midnight(1), "2023-03-01T00:01:00.00:00 is no midnight", id="start"),
        pytest.param(midnight(), midnight(1) - MINUTE, "is no midnight", id="end"),
        pytest.param(midnight(1), midnight(), "holds no day", id="backwards"),
        pytest.param(midnight(), midnight(), "holds no day", id="nothing"),
    ],
)
def test_rows_outside_the_days_and_crooked_days_are_refused(lake, start, end, says):
    filled(lake, 1)
    with pytest.raises(ContractError, match=says):
        lake.replace(CANDLES, made_candles(0, close=1.0), start, end)
    assert lake.version(CANDLES) == 0


def test_rows_that_break_the_contract_are_refused_before_anything_is_written(lake):
    bad = made_candles(0).set_column(5, CANDLES.schema.field("close"), pa.array([float("nan")] * 2 * MINUTES_A_DAY))
    with pytest.raises(ContractError, match="close is not finite"):
        lake.replace(CANDLES, bad, midnight(), midnight(1))
    assert lake.version(CANDLES) is None


def test_a_naive_bound_is_refused(lake):
    with pytest.raises(ValueError, match="has no timezone"):
        lake.read(CANDLES, datetime(2023, 3, 1))  # noqa: DTZ001


def test_bounds_may_be_in_any_zone(lake):
    rows = filled(lake, 1)
    ahead = midnight().astimezone(UTC).astimezone()
    assert lake.read(CANDLES, ahead, ahead + DAY).equals(rows)


def test_an_unknown_column_is_an_error_that_lists_the_known(lake):
    with pytest.raises(StorageError, match="candles has no column clsoe; it has symbol, open_time"):
        lake.read(CANDLES, columns=["clsoe"])


def test_a_column_that_the_contract_gained_reads_as_null_in_older_days(lake):
    old = filled(lake, 2)
    newer = changed(CANDLES, CANDLES.schema.append(field("spread", pa.float64(), "bid to ask", nullable=True)))
    read = lake.read(newer)
    assert read["spread"].null_count == read.num_rows
    assert read.select(CANDLES.schema.names).equals(old)
    day = made_candles(1).append_column("spread", pa.array([0.5] * 2 * MINUTES_A_DAY))
    lake.replace(newer, day, midnight(1), midnight(2))
    assert lake.read(newer)["spread"].to_pylist() == [None] * 2 * MINUTES_A_DAY + [0.5] * 2 * MINUTES_A_DAY
    assert Lake.from_settings(Settings()).read(newer, columns=["spread"]).num_rows == 4 * MINUTES_A_DAY


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        pytest.param(CANDLES.schema.remove(3), r"its columns \['high'\] are not known", id="a column fewer"),
        pytest.param(
            CANDLES.schema.set(8, pa.field("trade_count", pa.float64())),
            "column trade_count is int64 and not double",
            id="another type",
        ),
        pytest.param(
            CANDLES.schema.append(pa.field("spread", pa.float64(), nullable=False)),
            "no column spread, which may not be null",
            id="a new column that may not be null",
        ),
    ],
)
def test_a_table_of_another_shape_is_refused_with_the_remedy(lake, schema, says):
    filled(lake, 1)
    other = changed(CANDLES, schema)
    rows = made_candles(0)
    rows = rows.append_column("spread", rows["close"]).select(schema.names)
    with pytest.raises(StorageError, match=says):
        lake.read(other)
    with pytest.raises(StorageError, match="move that folder away and materialize its days again"):
        lake.replace(other, rows, midnight(), midnight(1))
    assert lake.version(CANDLES) == 0


def test_an_open_lake_sees_what_another_wrote(lake, lake_settings):
    filled(lake, 1)
    other = Lake.from_settings(lake_settings)
    other.replace(CANDLES, made_candles(1), midnight(1), midnight(2))
    assert lake.read(CANDLES).num_rows == 4 * MINUTES_A_DAY
    assert lake.version(CANDLES) == 1


def test_maintenance_deletes_files_that_no_young_version_needs(lake, lake_settings):
    for _ in range(3):
        rows = filled(lake, 2)
    assert lake.maintain(CANDLES, 30 * DAY).files_deleted == 0
    assert lake.maintain(CANDLES, timedelta(0)).files_deleted == 4
    assert lake.read(CANDLES).equals(rows)
    assert Lake.from_settings(lake_settings).read(CANDLES).equals(rows)
    assert lake.maintain(CANDLES, timedelta(0)).files_deleted == 0
