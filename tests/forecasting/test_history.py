from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bitpredict.errors import ModelError
from bitpredict.features import outside
from bitpredict.features.table import feature_table, price_features
from bitpredict.forecasting.boosting import Boosting
from bitpredict.forecasting.frame import origins_of
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.history import history, usable
from bitpredict.forecasting.recipes import recipes_for
from bitpredict.market.horizons import HORIZONS, parse_horizon
from tests.forecasting.conftest import MONTH
from tests.support.candles import archived_candles

DECEMBER = datetime(2023, 12, 1, tzinfo=UTC)


def doubled_after(table: pa.Table, time: str, columns: list[str]) -> pa.Table:
    """The same rows, but whatever happens from December on is another world."""
    later = pc.greater_equal(table[time], pa.scalar(DECEMBER))
    for name in columns:
        changed = pc.if_else(later, pc.multiply(table[name], 2.0), table[name])
        table = table.set_column(table.column_names.index(name), table.schema.field(name), changed)
    return table


def test_the_future_is_nowhere_in_it(past, features, candles):
    other_candles = doubled_after(candles, "open_time", ["open", "high", "low", "close"])
    other_features = doubled_after(features, "origin", ["log_rv_60", "drift_60", "coverage"])
    again = history(other_features, other_candles, "BTCUSDT", MONTH)
    assert again.digest == past.digest
    assert origins_of(past.table).max() < np.datetime64("2023-12-01")


def test_one_changed_number_of_the_past_changes_the_digest(past, features, candles):
    values = features["log_rv_60"].to_numpy().copy()
    values[400] = np.nextafter(values[400], 1.0)
    changed = features.set_column(
        features.column_names.index("log_rv_60"), features.schema.field("log_rv_60"), pa.array(values, from_pandas=True)
    )
    assert history(changed, candles, "BTCUSDT", MONTH).digest != past.digest


def test_the_digest_is_that_of_the_values_and_not_of_the_file(past, tmp_path):
    pq.write_table(past.table, tmp_path / "a.parquet", compression="snappy", row_group_size=100, version="1.0")
    reread = pq.read_table(tmp_path / "a.parquet")
    again = type(past)(past.symbol, past.month, past.end, past.feature_set_version, reread)
    assert reread["origin"].num_chunks != past.table["origin"].num_chunks
    assert again.digest == past.digest


@pytest.mark.parametrize("horizon", HORIZONS, ids=lambda h: h.name)
def test_every_row_is_used_or_counted(past, horizon):
    frame, dropped = usable(past, horizon, Boosting().inputs(horizon))
    assert len(frame) + sum(dropped.values()) == past.table.num_rows
    assert frame.target_time.max() < np.datetime64("2023-12-01")
    assert dropped["target not known before the month"] == horizon.minutes // 5
    assert not np.isnan(frame.rows.values).any()
    assert not np.isnan(frame.realized_variance).any()


def test_what_nobody_collects_beside_the_candles_drops_no_row(features, candles):
    """Null in every row, or there in some: what models of candles are trained on is the same, to the bit."""
    nothing = some = feature_table(features)
    for feature in outside.FEATURES:
        assert nothing[feature.name].null_count == nothing.num_rows
        values = pa.array([0.25 if n % 3 else None for n in range(nothing.num_rows)], pa.float64())
        some = some.set_column(some.column_names.index(feature.name), some.schema.field(feature.name), values)
    without, beside = (history(table, candles, "BTCUSDT", MONTH) for table in (nothing, some))
    for horizon in HORIZONS:
        for recipe in recipes_for(horizon):
            inputs = recipe.inputs(horizon)
            (rows, dropped), (same, again) = usable(without, horizon, inputs), usable(beside, horizon, inputs)
            assert len(rows) > 100
            assert dropped == again
            assert rows.rows.values.tobytes() == same.rows.values.tobytes()


def test_rows_of_two_feature_sets_do_not_mix(features, candles):
    mixed = pa.concat_tables(
        [
            features.slice(0, 100),
            features.slice(100).set_column(
                features.column_names.index("feature_set_version"),
                features.schema.field("feature_set_version"),
                pa.array(["older"] * (features.num_rows - 100)),
            ),
        ]
    )
    with pytest.raises(ModelError, match="older"):
        history(mixed, candles, "BTCUSDT", MONTH)


def test_a_month_without_a_past_says_so(features, candles):
    with pytest.raises(ModelError, match="no features before 2023-11-01"):
        history(features, candles, "BTCUSDT", "2023-11-01")
    with pytest.raises(ModelError, match="ETHUSDT has no features"):
        history(features, candles, "ETHUSDT", MONTH)


@pytest.mark.slow
def test_a_year_of_recordings_has_the_known_number_of_origins(recordings):
    """The counts of the reference measurements: what touches the outage of March 2023 is in none of them."""
    base = recordings / "binance_archive"
    candles = archived_candles(base, ["BTCUSDT"], date(2022, 7, 1), date(2024, 1, 1))
    start = datetime(2022, 7, 8, tzinfo=UTC)
    features = price_features(candles, "BTCUSDT", start, datetime(2024, 1, 1, tzinfo=UTC))
    horizon = parse_horizon("1h")
    inputs = SeasonalHar().inputs(horizon)
    train, _ = usable(history(features, candles, "BTCUSDT", "2023-07-01"), horizon, inputs)
    assert len(train) == 103_037
    touched = (np.datetime64("2023-03-24T10:30"), np.datetime64("2023-03-24T15:00"))
    assert not ((train.origin >= touched[0]) & (train.origin <= touched[1])).any()
    everything, _ = usable(history(features, candles, "BTCUSDT", "2024-01-01"), horizon, inputs)
    test = everything.take(everything.origin >= np.datetime64("2023-07-01"))
    assert len(test) == 52_981 - 1  # the reference counts the origin whose target ends with the last candle too
    demanding, dropped = usable(
        history(features, candles, "BTCUSDT", "2024-01-01"), horizon, Boosting().inputs(horizon)
    )
    still = dropped["a null feature"]  # five minutes at one price have no logarithm of a variance
    assert len(everything) - len(demanding) == still < 100
