"""A live lane's messages as its processes would append them, made up from the sample's candles and a random walk."""

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

import numpy as np

from bitpredict.market.horizons import QUANTILE_LEVELS
from bitpredict.streaming.log import EventLog, Message
from bitpredict.streaming.messages import Candle, Prediction, Trade, encode
from bitpredict.streaming.topics import PREDICTIONS, candles_topic, trades_topic
from tests.support import stores

CANDLES_END = datetime(2023, 12, 30, 12, 3, tzinfo=UTC)
TRADES_END = datetime(2026, 4, 4, 9, 15, 30, tzinfo=UTC)
MODEL_VERSION = "made-by-tests"
_MINUTES = {"1m": 1, "5m": 5, "1h": 60, "1d": 1440}


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def made_candles(symbol: str, count: int, now: datetime) -> list[Candle]:
    """The sample's minutes up to `CANDLES_END`, replayed one a second, the last of them now."""
    rows = stores.real_candles()
    rows = rows[(rows["symbol"] == symbol) & (rows["open_time"] < CANDLES_END)].tail(count)
    names = ["open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume"]
    return [
        Candle(
            exchange="binance",
            symbol=symbol,
            interval="1m",
            open_time=row["open_time"].to_pydatetime(),
            **{name: row[name] for name in names},
            received_at=now - timedelta(seconds=len(rows) - 1 - i),
            replayed=True,
        )
        for i, row in enumerate(rows.to_dict("records"))
    ]


def made_trades(
    symbol: str, seconds: int, now: datetime, *, a_second: int = 5, provenance: str = "observed"
) -> list[Trade]:
    """A random walk of trades up to `TRADES_END`, at the speed at which they were recorded, the last of them now."""
    count = seconds * a_second
    price = 66_900 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 2e-5, count)))
    return [
        Trade(
            exchange="coinbase",
            symbol=symbol,
            trade_id=str(5_000 + i),
            price=round(float(price[i]), 2),
            size=0.01,
            side="buy" if i % 2 else "sell",
            event_time=TRADES_END - timedelta(seconds=(count - i) / a_second),
            received_at=now - timedelta(seconds=(count - 1 - i) / a_second),
            provenance=provenance,
            replayed=True,
        )
        for i in range(count)
    ]


def made_prediction(
    symbol: str, horizon: str, origin: datetime, price: float, written_at: datetime, *, made_from: str, **more: object
) -> Prediction:
    """A forecast that is a normal around no change, written 4 ms after the message that triggered it."""
    minutes = _MINUTES[horizon]
    deviation = 0.0006 * math.sqrt(minutes)
    about = {
        "exchange": "coinbase" if symbol.endswith("USD") else "binance",
        "features_at": origin,
        "kind": "backtest",
        "provenance": "observed",
        "replayed": True,
        "ret_mean": 1e-6,
        "ret_std": 2e-5,
        "n": 50,
        "skill": 0.081,
        "skill_sample_size": 4032,
    } | more
    return Prediction(
        forecast_id=hashlib.sha256(f"{symbol} {horizon} {origin}".encode()).hexdigest()[:32],
        symbol=symbol,
        horizon=horizon,
        origin=origin,
        target_time=origin + timedelta(minutes=minutes),
        reference_price=price,
        quantiles=tuple(deviation * NormalDist().inv_cdf(level) for level in QUANTILE_LEVELS),
        p_up=0.53,
        realized_variance=deviation**2,
        model="tick_baseline" if horizon == "1m" else "boosting",
        model_version=MODEL_VERSION,
        variant="champion",
        feature_set_version=MODEL_VERSION,
        input=made_from,
        triggered_at=written_at - timedelta(milliseconds=4),
        written_at=written_at,
        **about,
    )


def append(log: EventLog, topic: str, made: Sequence[Trade | Candle | Prediction]) -> None:
    """Append messages at the moment of their receipt."""
    received = [one.written_at if isinstance(one, Prediction) else one.received_at for one in made]
    log.append(
        topic,
        [Message(one.symbol, encode(one), milliseconds(moment)) for one, moment in zip(made, received, strict=True)],
    )


def fill(log: EventLog, now: datetime, seconds: int = 300) -> None:
    """Both replays of the sample's market and the forecasts of the last `seconds`, as if they ran until now."""
    for symbol in stores.SYMBOLS:
        candles = made_candles(symbol, seconds, now)
        append(log, candles_topic("binance"), candles)
        made = [
            made_prediction(
                symbol,
                horizon,
                candle.open_time + timedelta(minutes=1),
                candle.close,
                candle.received_at,
                made_from=f"binance-candles/0@{i}",
            )
            for i, candle in enumerate(candles)
            for horizon in ("5m", "1h", "1d")
        ]
        append(log, PREDICTIONS, made)
    trades = made_trades("BTCUSD", seconds, now)
    append(log, trades_topic("coinbase"), trades)
    made = [
        made_prediction(
            trade.symbol,
            "1m",
            trade.event_time.replace(microsecond=0),
            trade.price,
            trade.received_at,
            made_from=f"coinbase-trades/0@{i}",
        )
        for i, trade in enumerate(trades)
        if trade.event_time.microsecond == 0
    ]
    append(log, PREDICTIONS, made)
