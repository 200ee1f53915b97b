"""`price_features` and `feature_table`: the look-back over partitions, and days that have nothing."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.features.catalog import FEATURE_SET_VERSION, FEATURE_TABLE, PRICE_FEATURES
from bitpredict.features.table import features_between
from bitpredict.market.time import DAY, MINUTE
from bitpredict.storage.contracts import CANDLES
from tests.support.graph import run_job

pytestmark = pytest.mark.slow

JOB = "prices_and_features"
FEATURES = ["price_features", "feature_table"]
START, MIDNIGHT, END = (datetime(2023, 11, day, tzinfo=UTC) for day in (11, 12, 13))


def test_the_rows_are_those_of_the_plain_function_over_all_candles(featured):
    """The days are loaded with their look-back and no more; what lies before must not matter."""
    candles = featured.lake.read(CANDLES)
    assert featured.lake.read(FEATURE_TABLE).equals(FEATURE_TABLE.conform(features_between(candles, START, END)))
    assert featured.lake.read(PRICE_FEATURES).num_rows == 2 * 2 * 288


@pytest.mark.parametrize("contract", [PRICE_FEATURES, FEATURE_TABLE], ids=lambda contract: contract.table)
def test_a_materialization_says_what_was_stored(featured, contract):
    said = featured.ran.metadata(contract.table)
    assert said["rows of the run"] == 2 * 2 * 288
    assert featured.ran.row_counts(contract.table) == {"2023-11-11": 576, "2023-11-12": 576}
    assert said["rows by symbol"] == {"BTCUSDT": 576, "ETHUSDT": 576}
    assert datetime.fromtimestamp(said["first"], UTC) == START
    assert datetime.fromtimestamp(said["last"], UTC) == datetime(2023, 11, 12, 23, 55, tzinfo=UTC)
    assert said["feature set"] == FEATURE_SET_VERSION
    assert said["table version"] == featured.lake.version(contract)
    assert "| 2023-11-12 23:55 |" in said["preview"]


def test_the_feature_table_shows_its_nulls_and_a_plot(featured):
    said = featured.ran.metadata("feature_table")
    rows = featured.lake.read(FEATURE_TABLE)
    nulls = {name: rows[name].null_count / rows.num_rows for name in rows.column_names if rows[name].null_count}
    assert said["null share"] == {name: pytest.approx(share, abs=5e-5) for name, share in nulls.items()}
    assert said["hourly volatility"].startswith("![BTCUSDT, ETHUSDT](data:image/png;base64,iVBOR")


def test_every_day_of_a_range_says_its_rows_and_the_last_shows_them(featured):
    first, last = (featured.ran.metadata("feature_table", f"2023-11-{day}") for day in (11, 12))
    assert set(last) - set(first) == {"preview", "hourly volatility"}
    assert {"dagster/row_count", "first", "last", "table", "table version", "null share"} <= set(first)
    assert {name: first[name] for name in first} == {name: last[name] for name in first}


def test_the_checks_of_real_days_pass(featured):
    assert {name: check.passed for name, check in featured.ran.checks.items()} == {
        "no_lookahead": True,
        "few_nulls": True,
        "in_range": True,
    }
    assert featured.ran.check_metadata("no_lookahead") == {
        "leaking features": {},
        "columns": len(FEATURE_TABLE.schema.names) - 2,
        "rows compared": 48,
        "day": "2023-11-12",
    }


@pytest.mark.usefixtures("with_features")
def test_a_day_alone_gives_what_the_range_gave_and_again_the_same(lake):
    before = [lake.read(contract) for contract in (PRICE_FEATURES, FEATURE_TABLE)]
    assert run_job(JOB, "2023-11-12", assets=FEATURES).success
    assert [lake.read(contract) for contract in (PRICE_FEATURES, FEATURE_TABLE)] == before


@pytest.mark.usefixtures("with_features")
def test_the_other_symbols_state_is_taken_from_before_midnight_where_it_has_to_be(lake):
    """ETHUSDT's last minute of the 11th is missing: at midnight its newest row is that of 23:55."""
    candles = lake.read(CANDLES)
    last = pc.and_(pc.equal(candles["symbol"], "ETHUSDT"), pc.equal(candles["open_time"], pa.scalar(MIDNIGHT - MINUTE)))
    holed = candles.filter(pc.invert(last))
    lake.replace(CANDLES, holed, START - 9 * DAY, END)
    assert run_job(JOB, "2023-11-11", "2023-11-12", FEATURES).success
    assert run_job(JOB, "2023-11-12", assets=FEATURES).success
    rows = lake.read(FEATURE_TABLE, MIDNIGHT)
    assert rows.equals(FEATURE_TABLE.conform(features_between(holed, MIDNIGHT, END)))
    assert rows.slice(0, 1).select(["symbol", "origin"]).to_pylist() == [{"symbol": "BTCUSDT", "origin": MIDNIGHT}]
    assert rows["other_log_rv_60"][0].is_valid


@pytest.mark.usefixtures("with_prices")
def test_a_day_without_candles_stores_nothing_although_its_look_back_has_some(lake):
    """A backfill by the daemon runs such days after its range too."""
    ran = run_job(JOB, "2023-11-12", "2023-11-14", FEATURES)
    assert ran.success
    assert ran.row_counts("feature_table") == {"2023-11-12": 576, "2023-11-13": 0, "2023-11-14": 0}
    assert lake.days(PRICE_FEATURES) == lake.days(FEATURE_TABLE) == [MIDNIGHT.date()]
    after = run_job(JOB, "2023-11-13", assets=FEATURES)
    assert after.success
    assert [after.row_counts(asset) for asset in FEATURES] == [{"2023-11-13": 0}] * 2
    assert all(check.passed for check in after.checks.values())
    assert lake.days(FEATURE_TABLE) == [MIDNIGHT.date()]


@pytest.mark.usefixtures("with_features")
def test_a_day_whose_candles_are_gone_loses_its_features(lake):
    lake.replace(CANDLES, CANDLES.empty(), MIDNIGHT, END)
    assert run_job(JOB, "2023-11-12", assets=FEATURES).success
    assert lake.days(PRICE_FEATURES) == lake.days(FEATURE_TABLE) == [START.date()]


def test_the_first_day_of_the_calendar_has_features_without_look_back(lake):
    assert run_job(JOB, "2023-11-01").success
    rows = lake.read(FEATURE_TABLE).to_pandas()
    assert rows["origin"].min() == datetime(2023, 11, 1, 0, 5, tzinfo=UTC)
    assert len(rows) == 2 * 287
    assert rows["coverage"].max() < 1440 / 10080
    assert rows["log_rv_1440"].notna().any()


@pytest.mark.usefixtures("with_features")
def test_price_features_of_another_feature_set_are_not_joined(lake):
    """An upgrade came in between: the day's own must be made anew; those of the day before are only looked back at."""
    name = PRICE_FEATURES.schema.get_field_index("feature_set_version")
    older = lake.read(PRICE_FEATURES, START, MIDNIGHT)
    versions = pa.array(["0123456789ab"] * older.num_rows)
    lake.replace(PRICE_FEATURES, older.set_column(name, "feature_set_version", versions), START, MIDNIGHT)
    before = lake.version(FEATURE_TABLE)
    ran = run_job(JOB, "2023-11-11", assets=["feature_table"])
    assert "made by feature set 0123456789ab" in ran.failures["feature_table"]
    assert "materialize price_features of these days first" in ran.failures["feature_table"]
    assert lake.version(FEATURE_TABLE) == before
    assert run_job(JOB, "2023-11-12", assets=["feature_table"]).success
    assert run_job(JOB, "2023-11-11", "2023-11-12", FEATURES).success
