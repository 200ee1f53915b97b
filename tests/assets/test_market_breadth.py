"""`market_breadth` from stored quotes, on into the feature table; `ml_features_materialized` from its newest rows."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bitpredict.features.breadth import MARKET_BREADTH, market_breadth
from bitpredict.features.catalog import FEATURE_SET_VERSION, FEATURE_TABLE
from bitpredict.market.coins import read_coins, write_coins
from bitpredict.storage.market_table import write_history, write_quotes
from bitpredict.storage.serving_rows import decoded, read_serving_rows
from tests.support.graph import check_alone, run_job

JOB = "prices_and_features"
NOON = datetime(2023, 11, 12, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
COINS = read_coins()


def store_quotes(engine, coins=COINS) -> pd.DataFrame:
    """Quotes of the day before noon every five minutes, received three seconds later; half of the coins rise."""
    moments = pd.date_range(NOON - DAY, NOON, freq="5min", inclusive="left")
    parts = []
    for number, coin in enumerate(coins):
        slope = 1e-4 if number % 2 else -1e-4
        price = np.exp(slope * np.arange(moments.size))
        part = pd.DataFrame({"coin_id": coin.coin_id, "observed_at": moments, "price": price})
        parts.append(part.assign(known_at=moments + pd.Timedelta(seconds=3)))
    rest = ("market_cap", "total_volume", "high_24h", "low_24h", "circulating_supply")
    frame = pd.concat(parts).assign(**dict.fromkeys(rest), market_cap_rank=pd.NA).astype({"market_cap_rank": "Int64"})
    write_quotes(engine, coins, frame.drop_duplicates("coin_id"), source="here")
    write_history(engine, frame, source="here")
    return frame


@pytest.mark.slow
@pytest.mark.usefixtures("with_features")
def test_quotes_become_breadth_and_breadth_features(engine, lake):
    quotes = store_quotes(engine)
    ran = run_job(JOB, "2023-11-11", "2023-11-12", ["market_breadth", "feature_table"])
    assert ran.success, ran.failures
    stored = lake.read(MARKET_BREADTH)
    plain = market_breadth(
        quotes.assign(provenance="observed"), [c.coin_id for c in COINS], NOON - 2 * DAY, NOON + DAY / 2
    )
    assert stored.equals(plain)
    # From the origin that has a quote of an hour before to the last whose newest quote, of 11:55, is not too old.
    first, last = NOON - DAY + 60 * MINUTE, NOON + 10 * MINUTE
    assert (stored["origin"][0].as_py(), stored["origin"][-1].as_py()) == (first, last)
    assert set(stored["coins"].to_pylist()) == {92}
    assert set(stored["share_up_1h"].to_pylist()) == {0.5}
    assert ran.row_counts("market_breadth") == {
        day: sum(origin.strftime("%Y-%m-%d") == day for origin in stored["origin"].to_pylist())
        for day in ("2023-11-11", "2023-11-12")
    }
    assert ran.metadata("market_breadth")["coins ever quoted"] == 92
    assert {name: check.passed for name, check in ran.checks.items()} == dict.fromkeys(ran.checks, True)
    assert {"breadth_in_range", "most_coins", "no_lookahead"} <= set(ran.checks)
    rows = lake.read(FEATURE_TABLE).to_pandas()
    told = stored.to_pandas().add_prefix("breadth_")
    told["breadth_origin"] += 10 * MINUTE  # nobody has a row earlier
    joined = rows.merge(told, left_on="origin", right_on="breadth_origin")
    assert len(joined) == 2 * stored.num_rows
    assert (joined["breadth_share_up_1h_x"] == joined["breadth_share_up_1h_y"]).all()
    assert rows["breadth_coverage"].max() == 1.0
    assert rows.loc[rows["origin"] > NOON + 30 * MINUTE, "breadth_coins"].isna().all()
    assert set(rows["outside_provenance"].dropna()) == {"observed"}


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
def test_the_list_of_today_changes_no_past_day(engine, lake, settings):
    store_quotes(engine, COINS[:6])
    assert run_job(JOB, "2023-11-12", assets=["market_breadth"]).success
    before = lake.read(MARKET_BREADTH)
    write_coins(settings.own_coins_file, [*COINS[:2], *COINS[-1:]])
    assert run_job(JOB, "2023-11-12", assets=["market_breadth"]).success
    assert lake.read(MARKET_BREADTH).equals(before)
    assert set(before["coins"].to_pylist()) == {6}


@pytest.mark.usefixtures("with_prices")
def test_without_quotes_there_is_no_breadth_and_nothing_fails(lake):
    ran = run_job(JOB, "2023-11-12", assets=["market_breadth"])
    assert ran.success
    assert ran.row_counts("market_breadth") == {"2023-11-12": 0}
    assert all(check.passed for check in ran.checks.values())
    assert lake.version(MARKET_BREADTH) is None


@pytest.mark.slow
@pytest.mark.usefixtures("with_prices")
def test_few_coins_are_a_warning(engine):
    store_quotes(engine, COINS[:20])
    ran = run_job(JOB, "2023-11-12", assets=["market_breadth"])
    assert ran.check("breadth_in_range").passed
    assert not ran.check("most_coins").passed
    assert ran.check_metadata("most_coins")["coins"] == "20 of 92"


@pytest.mark.usefixtures("with_features")
class TestServedRows:
    def test_the_newest_rows_are_served_and_again_they_are_the_same(self, engine, lake):
        ran = run_job("serving")
        assert ran.success, ran.failures
        found = read_serving_rows(engine)
        newest = lake.read(FEATURE_TABLE).to_pandas().groupby("symbol").last()
        assert list(found["symbol"]) == ["BTCUSDT", "ETHUSDT"]
        assert list(found["origin"]) == list(newest["origin"])
        assert [decoded(text)["log_rv_60"] for text in found["features"]] == list(newest["log_rv_60"])
        assert (ran.metadata("ml_features_materialized")["written"], len(found)) == (2, 2)
        assert run_job("serving").success
        assert read_serving_rows(engine).equals(found)

    @pytest.mark.slow
    def test_a_bad_row_leaves_the_old_one_and_fails_with_the_reason(self, engine, lake):
        run_job("serving")
        before = read_serving_rows(engine).set_index("symbol")
        start = datetime(2023, 11, 12, tzinfo=UTC)
        rows = lake.read(FEATURE_TABLE, start, start + DAY).to_pandas()
        rows["log_rv_60"] += 1.0
        rows.loc[rows["symbol"] == "BTCUSDT", "coverage"] = 1.5
        lake.replace(FEATURE_TABLE, pa.Table.from_pandas(rows, preserve_index=False), start, start + DAY)
        ran = run_job("serving")
        assert not ran.success
        assert "BTCUSDT': 'coverage is 1.5, outside 0 to 1'" in ran.failures["ml_features_materialized"]
        after = read_serving_rows(engine).set_index("symbol")
        assert after.loc["BTCUSDT"].equals(before.loc["BTCUSDT"])
        assert after.loc["ETHUSDT", "features"] != before.loc["ETHUSDT", "features"]
        assert set(after["feature_set_version"]) == {FEATURE_SET_VERSION}


def test_without_features_nothing_is_served():
    ran = run_job("serving")
    assert not ran.success
    assert "feature_table is empty" in ran.failures["ml_features_materialized"]


def test_the_check_alone_on_an_empty_lake_says_so():
    ran = check_alone("market_breadth")
    assert "market_breadth is empty" in next(iter(ran.failures.values()))
