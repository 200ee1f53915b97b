"""What the charts draw, computed from the tables: price fans, closes with their holes, bars, presence, calibration."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from bitpredict.market.horizons import QUANTILE_LEVELS, parse_horizon
from bitpredict.market.time import DAY, MINUTE, utc

QUANTILES = tuple(f"q{round(100 * level):02d}" for level in QUANTILE_LEVELS)


def quantile_prices(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The quantiles as prices, quote currency: reference_price · exp(q), one row a forecast, columns `QUANTILES`."""
    reference = forecasts["reference_price"].astype(float)
    return forecasts[list(QUANTILES)].astype(float).apply(np.exp).mul(reference, axis=0)


def fan(forecasts: pd.DataFrame, points: int = 60) -> pd.DataFrame:
    """Paths of the price quantiles from one origin through the target times of its horizons.

    Between the origin and the horizons a quantile of the log return is taken as linear in the root of time, which
    is how a random walk widens. Only the values at the target times are forecasts.

    Args:
        forecasts: rows of one symbol and one origin, one a horizon, in any order.

    Returns:
        Columns `time` and `QUANTILES` (prices), the target times among the rows.
    """
    rows = forecasts.assign(minutes=[parse_horizon(name).minutes for name in forecasts["horizon"]])
    rows = rows.sort_values("minutes")
    knots = np.sqrt(np.concatenate([[0.0], rows["minutes"].to_numpy(float)]))
    roots = np.union1d(np.linspace(0.0, knots[-1], points), knots)
    paths = {
        name: float(rows["reference_price"].iloc[0])
        * np.exp(np.interp(roots, knots, np.concatenate([[0.0], rows[name].to_numpy(float)])))
        for name in QUANTILES
    }
    minutes = pd.to_timedelta(np.round(roots**2 * 60e6).astype("int64"), unit="us")
    return pd.DataFrame({"time": rows["origin"].iloc[0] + minutes, **paths})


def closes(candles: pd.DataFrame, start: datetime, end: datetime, points: int = 1500) -> pd.DataFrame:
    """Closing prices known in (start, end], at the instants when they became known, evenly thinned from the end.

    Args:
        candles: one symbol's minutes.
        points: at most about so many; a thinned point stands for its whole step.

    Returns:
        Columns `time` and `close`, NaN where any minute of the step is missing or halted: the line breaks there.
    """
    step = max(1, int((end - start) / MINUTE) // points)
    minutes = pd.date_range(start, end, freq="min", inclusive="left", unit="us")
    minutes = minutes[len(minutes) % step :]
    known = candles.loc[~candles["halted"]].set_index("open_time")["close"]
    price = known.reindex(minutes).to_numpy(float).reshape(-1, step)
    close = np.where(np.isnan(price).any(axis=1), np.nan, price[:, -1])
    return pd.DataFrame({"time": minutes[step - 1 :: step] + MINUTE, "close": close})


def bars(candles: pd.DataFrame, width: timedelta) -> pd.DataFrame:
    """One symbol's minutes as wider candles named by their start; a width without any minute has no row.

    Returns:
        Columns open_time, open, high, low, close, volume (base currency) and `minutes` present.
    """
    grouped = candles.sort_values("open_time").set_index("open_time").resample(pd.Timedelta(width))
    table = grouped.agg(
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
        minutes=("close", "size"),
    )
    return table[table["minutes"] > 0].reset_index()


def presence(candles: pd.DataFrame, symbols: list[str], start: datetime, end: datetime) -> pd.DataFrame:
    """How complete each symbol's UTC days in [start, end) are.

    Args:
        candles: columns symbol and open_time, each minute once.

    Returns:
        Columns symbol, day (midnight), minutes (present), expected (of the day inside the range) and share.
        A day without candles is a row with share 0.
    """
    start, end = utc(start), utc(end)
    inside = candles[(candles["open_time"] >= start) & (candles["open_time"] < end)]
    counts = inside.groupby(["symbol", inside["open_time"].dt.floor("D")]).size()
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    days = pd.date_range(first, end, freq="D", inclusive="left", unit="us")
    grid = pd.MultiIndex.from_product([symbols, days], names=["symbol", "day"])
    table = counts.reindex(grid, fill_value=0).rename("minutes").reset_index()
    table["expected"] = [int((min(day + DAY, end) - max(day, start)) / MINUTE) for day in table["day"]]
    table["share"] = table["minutes"] / table["expected"]
    return table


def calibration(scored: pd.DataFrame) -> pd.DataFrame:
    """How often outcomes fell below each stored quantile, by horizon.

    Neighbouring forecasts share most of their outcome: `independent` counts the outcomes that do not overlap, and
    low and high are the 95 % range of a binomial share of that many around the nominal level (normal approximation).

    Args:
        scored: forecasts joined with their outcomes, of one kind and model choice.

    Returns:
        Columns horizon, level, observed, low, high, sample_size, independent; horizons from short to long.
    """
    rows = []
    for horizon in sorted({parse_horizon(name) for name in scored["horizon"]}):
        part = scored[scored["horizon"] == horizon.name]
        outcome = part["realized_log_return"].to_numpy(float)
        slots = part["origin"].dt.floor(pd.Timedelta(horizon.length))
        # Symbols move together: two at the same time are one look at the market, not two.
        independent = slots.nunique()
        for level, name in zip(QUANTILE_LEVELS, QUANTILES, strict=True):
            half = 1.96 * np.sqrt(level * (1 - level) / independent)
            rows.append(
                {
                    "horizon": horizon.name,
                    "level": level,
                    "observed": float(np.mean(outcome <= part[name].to_numpy(float))),
                    "low": max(0.0, level - half),
                    "high": min(1.0, level + half),
                    "sample_size": len(part),
                    "independent": independent,
                }
            )
    columns = ["horizon", "level", "observed", "low", "high", "sample_size", "independent"]
    return pd.DataFrame(rows, columns=columns)
