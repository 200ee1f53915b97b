from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.errors import ContractError
from bitpredict.features.minutes import PROVENANCES, MinuteGrid
from bitpredict.storage.contracts import CANDLES

START, END = datetime(2023, 11, 11, tzinfo=UTC), datetime(2023, 11, 12, tzinfo=UTC)


def with_column(candles: pa.Table, name: str, values: object) -> pa.Table:
    return candles.set_column(candles.column_names.index(name), name, values)


def test_a_whole_day_lies_on_its_minutes(fortnight):
    grid = MinuteGrid.from_candles(fortnight, "ETHUSDT", START, END)
    frame = fortnight.to_pandas()
    own = frame[(frame["symbol"] == "ETHUSDT") & (frame["open_time"] >= START) & (frame["open_time"] < END)]
    assert grid.present.all()
    for name in ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume"):
        np.testing.assert_array_equal(getattr(grid, name), own[name])
    np.testing.assert_array_equal(grid.known_at, own["known_at"].dt.tz_localize(None))
    np.testing.assert_allclose(grid.log_return[1:], np.log(own["close"]).diff()[1:])
    assert np.isnan(grid.log_return[0])


def test_nothing_is_filled_in(holed):
    grid = MinuteGrid.from_candles(holed, "BTCUSDT", START, END)
    frame = holed.to_pandas()
    own = frame[(frame["symbol"] == "BTCUSDT") & (frame["open_time"] >= START) & (frame["open_time"] < END)]
    assert grid.present.sum() == len(own) < 1440 - 80
    assert np.array_equal(np.isnan(grid.close), ~grid.present)
    assert np.array_equal(np.isnat(grid.known_at), ~grid.present)
    assert grid.halted.sum() == own["halted"].sum() > 60
    assert not (grid.observed & grid.halted).any()


def test_a_return_needs_both_minutes_and_no_halt(holed):
    grid = MinuteGrid.from_candles(holed, "BTCUSDT", START, END)
    usable = grid.present & ~grid.halted
    np.testing.assert_array_equal(~np.isnan(grid.log_return[1:]), usable[1:] & usable[:-1])


def test_the_order_of_rows_does_not_matter(fortnight):
    shuffled = fortnight.take(pa.array(np.random.default_rng(5).permutation(fortnight.num_rows)))
    one, other = (MinuteGrid.from_candles(t, "BTCUSDT", START, END) for t in (fortnight, shuffled))
    np.testing.assert_array_equal(one.close, other.close)
    np.testing.assert_array_equal(one.log_return, other.log_return)


def test_no_candles_are_an_empty_grid():
    grid = MinuteGrid.from_candles(CANDLES.empty(), "BTCUSDT", START, END)
    assert grid.open_time.size == 1440
    assert not grid.present.any()
    assert np.isnan(grid.log_return).all()


def test_provenance_is_kept_by_kind(only_bitcoin):
    three = only_bitcoin.slice(0, 3)
    first = three["open_time"][0].as_py()
    kinds = with_column(three, "provenance", pa.array(["repaired:cryptocompare", "observed", "simulated"]))
    grid = MinuteGrid.from_candles(kinds, "BTCUSDT", first, END)
    assert [PROVENANCES[i] for i in grid.provenance[:4]] == ["repaired", "observed", "simulated", "observed"]
    unknown = with_column(three, "provenance", pa.array(["observed", "observed", "guessed"]))
    with pytest.raises(ContractError, match="guessed"):
        MinuteGrid.from_candles(unknown, "BTCUSDT", first, END)


def test_a_candle_off_the_full_minute_is_refused(fortnight):
    late = pc.add(fortnight["open_time"], pa.scalar(pd.Timedelta(seconds=1)))
    with pytest.raises(ContractError, match="BTCUSDT starts at 2023-11-11T00:00:01"):
        MinuteGrid.from_candles(with_column(fortnight, "open_time", late), "BTCUSDT", START, END)
