import pandas as pd
import pytest

from bitpredict.streaming.messages import Trade
from tests.support.streams import TRADES, an_engine, records, run


@pytest.fixture(params=["parquet", "csv"])
def recorded(request, recordings) -> list[Trade]:
    """Recorded trades; the file with milliseconds covers one minute, stretched here over several."""
    if request.param == "parquet":
        frame = pd.read_parquet(recordings / "trades" / "binance__btcusdt-trades.parquet")
        first = frame["timestamp"].iloc[0]
        frame["time"] = (first + (frame["timestamp"] - first) * 10).astype("datetime64[us, UTC]")
        frame["side"] = frame["buyer_maker"].astype(str).map({"True": "sell", "False": "buy"})
    else:
        path = recordings / "trades" / "binance_BTCUSDT_24h-trades_2020_11_16.csv"
        frame = pd.read_csv(path, names=["time", "price", "quantity", "side"])
        frame["time"] = pd.to_datetime(frame["time"], unit="s", utc=True)
        frame["side"] = "unknown"
    return [
        Trade("binance", "BTCUSDT", str(i), price, quantity, side, time.to_pydatetime(), time.to_pydatetime())
        for i, (price, quantity, side, time) in enumerate(
            zip(frame["price"], frame["quantity"], frame["side"], frame["time"], strict=True)
        )
    ]


def test_bars_of_recorded_trades_are_those_of_a_pandas_resample(recorded):
    built = run(an_engine(), {TRADES: records(recorded)}).candles
    frame = pd.DataFrame(
        [(t.event_time, t.price, t.size, t.side) for t in recorded], columns=["time", "price", "size", "side"]
    ).set_index("time")
    bought = frame["side"].map({"buy": 1.0, "sell": 0.0, "unknown": 0.5}) * frame["size"]
    minutes = frame["price"].resample("1min")
    expected = minutes.ohlc().assign(
        volume=frame["size"].resample("1min").sum(),
        quote_volume=(frame["size"] * frame["price"]).resample("1min").sum(),
        trade_count=minutes.count(),
        taker_buy_volume=bought.resample("1min").sum(),
    )
    # The first minute was not seen from its beginning, the last is not over; one without trades is no bar.
    expected = expected[expected["trade_count"] > 0].iloc[1:-1]
    found = pd.DataFrame(
        [[c.open_time, *(getattr(c, name) for name in expected.columns)] for c in built],
        columns=["time", *expected.columns],
    ).set_index("time")
    assert len(found) >= 2
    pd.testing.assert_frame_equal(found, expected, check_freq=False, check_names=False, check_index_type=False)
    exact = ["open", "high", "low", "close", "trade_count"]
    assert (found[exact].to_numpy() == expected[exact].to_numpy()).all()
    assert all(c.built and c.interval == "1m" and c.provenance == "observed" for c in built)


def test_a_bar_of_simulated_trades_says_so():
    from tests.support.streams import trade

    trades = [trade(s, provenance="simulated" if s == 70 else "observed") for s in (0, 60, 70, 120, 130, 180)]
    built = run(an_engine(), records(trades)).candles
    assert [c.provenance for c in built] == ["simulated", "observed"]
