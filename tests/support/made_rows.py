"""Made-up rows of the stores' tables: shaped like real ones, exact, and cheap to make by the thousand."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from bitpredict.market.time import MINUTES_A_DAY, to_numpy, utc
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.schema import forecast_outcomes, forecasts

FIRST_DAY = date(2023, 3, 1)


def midnight(days: int = 0) -> datetime:
    """`days` after the first day of made-up rows."""
    return utc(FIRST_DAY) + timedelta(days=days)


def made_candles(
    first: int, days: int = 1, *, close: float | None = None, minutes: int = MINUTES_A_DAY, symbols: int = 2
) -> pa.Table:
    """Rows of `CANDLES` for `days` days from the day `first` on, `minutes` from each midnight.

    Args:
        close: every price, to tell one writing from another; by default random ones with all their digits.
    """
    names = ["BTCUSDT", "ETHUSDT", "SOLUSDT"][:symbols]
    starts = to_numpy(midnight(first)) + np.arange(days) * np.timedelta64(1, "D")
    times = np.tile((starts[:, None] + np.arange(minutes) * np.timedelta64(1, "m")).ravel(), symbols)
    random = np.random.default_rng(first)
    prices = random.lognormal(8, 2, times.size) if close is None else np.full(times.size, close)
    instants = pa.array(times).cast(pa.timestamp("us", "UTC"))
    return CANDLES.conform(
        pa.table(
            {
                "symbol": np.repeat(names, times.size // symbols),
                "open_time": instants,
                **dict.fromkeys(("open", "high", "low", "close"), pa.array(prices)),
                **{name: random.random(times.size) for name in ("volume", "quote_volume", "taker_buy_volume")},
                "trade_count": random.integers(0, 10_000, times.size),
                "provenance": ["observed"] * times.size,
                "halted": random.random(times.size) < 0.01,
                "known_at": pa.compute.add(instants, timedelta(minutes=1)),
            }
        )
    )


def made_forecasts(
    rows: int, *, first: datetime = datetime(2023, 3, 1, tzinfo=UTC), series: str = "a", **columns: object
) -> pd.DataFrame:
    """Rows of `forecasts`: two symbols, horizon 1h, champion and baseline, an origin every five minutes.

    Args:
        series: part of the ids, so that two series have none in common.
        columns: values that take the place of the made-up ones.
    """
    random = np.random.default_rng(7)
    origins = pd.Series([first + timedelta(minutes=5) * (i // 4) for i in range(rows)], dtype="datetime64[us, UTC]")
    quantiles = np.sort(random.normal(0, 0.01, (rows, 7)), axis=1)
    unproven = random.random(rows) < 0.5
    made = {
        "forecast_id": [hashlib.md5(f"{series} {i}".encode(), usedforsecurity=False).hexdigest() for i in range(rows)],
        "kind": "backtest",
        "symbol": np.resize(["BTCUSDT", "BTCUSDT", "ETHUSDT", "ETHUSDT"], rows),
        "origin": origins,
        "horizon": "1h",
        "target_time": origins + timedelta(hours=1),
        "reference_price": np.round(random.uniform(1, 50_000, rows), 8),
        **{f"q{name}": quantiles[:, i] for i, name in enumerate(("05", "10", "25", "50", "75", "90", "95"))},
        "p_up": random.random(rows),
        "realized_variance": random.lognormal(-10, 1, rows),
        "model": np.resize(["ridge", "seasonal_har"], rows),
        "model_version": np.resize(["5f" * 8, "a0" * 8], rows),
        "variant": np.resize(["champion", "baseline"], rows),
        "feature_set_version": "c4" * 8,
        "input": 'feature_table@3, "quoted" \\ and, {braces}',
        "provenance": "observed",
        "skill": np.where(unproven, np.nan, 0.1),
        "skill_sample_size": pd.Series(np.where(unproven, None, 4032)).astype("Int64"),
        "written_at": pd.Timestamp("2023-06-01 10:00:00.123456", tz="UTC").as_unit("us"),
    }
    return pd.DataFrame({**made, **columns})[[column.name for column in forecasts.columns]]


def made_outcomes(of: pd.DataFrame, **columns: object) -> pd.DataFrame:
    """Rows of `forecast_outcomes` for the forecasts `of`."""
    random = np.random.default_rng(11)
    made = {
        "forecast_id": of["forecast_id"].to_numpy(),
        "target_time": of["target_time"].array,
        "realized_log_return": random.normal(0, 0.01, len(of)),
        "realized_variance": random.lognormal(-10, 1, len(of)),
        "inside_50": random.random(len(of)) < 0.5,
        "inside_90": random.random(len(of)) < 0.9,
        "qlike": random.random(len(of)),
        "pinball": random.random(len(of)),
        "scored_at": pd.Timestamp("2023-06-02", tz="UTC").as_unit("us"),
    }
    return pd.DataFrame({**made, **columns})[[column.name for column in forecast_outcomes.columns]]
