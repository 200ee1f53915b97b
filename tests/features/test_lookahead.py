from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.features.catalog import FEATURE_NAMES
from bitpredict.features.lookahead import prefix_invariance
from bitpredict.features.outside import Outside
from bitpredict.features.table import features_between

START, END = datetime(2023, 11, 11, tzinfo=UTC), datetime(2023, 11, 12, tzinfo=UTC)


def with_a_leak(candles: pa.Table, start: datetime, end: datetime, outside: Outside) -> pa.Table:
    """The features, and a mean of the close that is centred on the origin: half of it lies ahead."""
    table = features_between(candles, start, end, outside)
    closes = {symbol: own.set_index("open_time")["close"] for symbol, own in candles.to_pandas().groupby("symbol")}
    means = []
    for row in table.select(["symbol", "origin"]).to_pylist():
        first, last = row["origin"] - timedelta(minutes=30), row["origin"] + timedelta(minutes=29)
        means.append(closes[row["symbol"]][first:last].mean())
    return table.append_column("centred_mean", pa.array(means))


def test_a_planted_leak_is_caught_and_every_feature_passes(fortnight):
    results = {r.feature: r for r in prefix_invariance(with_a_leak, fortnight, START, END, origins=5)}
    leak = results.pop("centred_mean")
    assert not leak.passed
    assert leak.rows_compared == leak.differing_rows == 10
    assert leak.first_difference.origin == START
    assert leak.first_difference.symbol == "BTCUSDT"
    assert leak.first_difference.with_future != leak.first_difference.without_future
    assert set(FEATURE_NAMES) < set(results)
    assert all(result.passed and result.rows_compared == 10 for result in results.values())


@pytest.mark.slow
def test_features_pass_over_holes_and_halts(holed):
    results = prefix_invariance(features_between, holed, START + timedelta(hours=11), START + timedelta(hours=17))
    assert [result for result in results if not result.passed] == []
    # Two symbols at 24 origins; those whose last minute is missing have no row either way.
    assert 30 < results[0].rows_compared < 48


def test_a_leak_of_one_bit_is_caught(only_bitcoin):
    def the_future_in_the_last_bit(candles: pa.Table, start: datetime, end: datetime, outside: Outside) -> pa.Table:
        table = features_between(candles, start, end, outside)
        place = table.column_names.index("return_60")
        if pc.max(candles["open_time"]).as_py() < END:
            return table
        nudged = np.nextafter(table["return_60"].to_numpy(), np.inf)
        return table.set_column(place, table.schema.field("return_60"), pa.array(nudged))

    results = prefix_invariance(the_future_in_the_last_bit, only_bitcoin, START, START + timedelta(hours=2), origins=3)
    assert {result.feature for result in results if not result.passed} == {"return_60"}


def test_a_row_that_needs_the_future_to_exist_differs_in_every_column(only_bitcoin):
    def drops_the_newest(candles: pa.Table, start: datetime, end: datetime, outside: Outside) -> pa.Table:
        table = features_between(candles, start, end, outside)
        after = pc.max(candles["open_time"]).as_py() + timedelta(minutes=1)
        return table.filter(pc.less(table["origin"], pa.scalar(after)))

    results = prefix_invariance(drops_the_newest, only_bitcoin, START, START + timedelta(hours=1), origins=3)
    assert {result.differing_rows for result in results} == {3}
    assert results[0].first_difference.without_future is None


def test_without_rows_nothing_has_passed(only_bitcoin):
    results = prefix_invariance(features_between, only_bitcoin, START + timedelta(days=60), END + timedelta(days=60))
    assert {result.passed for result in results} == {False}
    assert {result.rows_compared for result in results} == {0}


def test_the_first_difference_names_null_as_none(only_bitcoin):
    def null_without_future(candles: pa.Table, start: datetime, end: datetime, outside: Outside) -> pa.Table:
        table = features_between(candles, start, end, outside)
        cut_off = pc.max(candles["open_time"]).as_py() < END
        return table.append_column("odd", pa.array([None if cut_off else 1.0] * table.num_rows, pa.float64()))

    (odd,) = [r for r in prefix_invariance(null_without_future, only_bitcoin, START, END, 2) if r.feature == "odd"]
    assert (odd.first_difference.with_future, odd.first_difference.without_future) == (1.0, None)
    assert odd.first_difference.origin == pd.Timestamp(START)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_day_is_checked_in_seconds(fortnight):
    assert all(result.passed for result in prefix_invariance(features_between, fortnight, START, END))
