"""A home filled with the sample's real candles and with forecasts that this module makes up from them.

The forecasts are a scaled normal around no change. They are plausible to look at and say nothing about any model of
ours: every version is named `made-by-tests`.
"""

import functools
import hashlib
import math
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

import numpy as np
import pandas as pd
import pyarrow as pa

from bitpredict.market.gaps import Gap
from bitpredict.market.horizons import HORIZONS, QUANTILE_LEVELS, Horizon
from bitpredict.settings import SAMPLE_FOLDER, Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.evaluations import replace_scorecard, write_champions, write_evaluations
from bitpredict.storage.gap_ledger import reconcile
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import write_forecasts, write_outcomes

SYMBOLS = ("BTCUSDT", "ETHUSDT")
START, END = datetime(2023, 12, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
HOLE = (datetime(2023, 12, 20, 7, 30, tzinfo=UTC), datetime(2023, 12, 20, 8, 50, tzinfo=UTC))
WRITTEN = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
QUANTILES = [f"q{round(100 * level):02d}" for level in QUANTILE_LEVELS]
BASELINE = "seasonal_har"
MODELS = {  # look-back of the variance in minutes, factor on it
    "boosting": (120, 1.05),
    "ridge": (240, 1.1),
    "seasonal_har": (720, 1.15),
    "ewma": (60, 1.2),
    "random_walk": (30, 2.4),
}
_KLINE = ["open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trade_count"]
CHAMPIONS = {"5m": "boosting", "1h": "boosting", "1d": BASELINE}


@functools.cache
def real_candles() -> pd.DataFrame:
    """December's minutes of both symbols as `CANDLES` rows, with `HOLE` cut out of BTCUSDT."""
    days = pd.date_range(START, END, inclusive="left")
    parts = []
    for symbol in SYMBOLS:
        folder = SAMPLE_FOLDER / "data" / "spot" / "daily" / "klines" / symbol / "1m"
        for day in days:
            names = [*_KLINE, "taker_buy_volume"]
            rows = pd.read_csv(folder / f"{symbol}-1m-{day:%Y-%m-%d}.zip", header=None, usecols=range(10), names=names)
            parts.append(rows.assign(symbol=symbol))
    table = pd.concat(parts, ignore_index=True)
    table["open_time"] = pd.to_datetime(table["open_time"], unit="ms", utc=True).astype("datetime64[us, UTC]")
    table["known_at"] = table["open_time"] + timedelta(minutes=1)
    table["provenance"], table["halted"] = "observed", False
    hole = (table["symbol"] == "BTCUSDT") & (table["open_time"] >= HOLE[0]) & (table["open_time"] < HOLE[1])
    return table.loc[~hole].drop(columns="close_time").reset_index(drop=True)


@functools.cache
def made_forecasts() -> pd.DataFrame:
    """Rows of `forecasts` at every full hour of the last ten days and at the newest origin, every model."""
    candles = real_candles()
    rows = []
    for symbol in SYMBOLS:
        close = candles[candles["symbol"] == symbol].set_index("open_time")["close"]
        minutes = pd.date_range(START, END, freq="min", inclusive="left")
        close = close.reindex(minutes).ffill()  # only to make something up from
        square = np.log(close).diff() ** 2
        variance = {model: square.rolling(window).mean() for model, (window, _) in MODELS.items()}
        origins = [
            *pd.date_range(END - timedelta(days=10), END, freq="h", inclusive="left"),
            END - timedelta(minutes=5),
        ]
        for origin in origins:
            last = origin - timedelta(minutes=1)
            for horizon in HORIZONS:
                for model, (_, factor) in MODELS.items():
                    rv = float(variance[model][last]) * factor * horizon.minutes
                    rows.append(_forecast(symbol, origin, horizon, model, float(close[last]), rv))
    return pd.DataFrame(rows)


def _forecast(
    symbol: str, origin: pd.Timestamp, horizon: Horizon, model: str, price: float, variance: float
) -> dict[str, object]:
    name = f"{symbol} {origin.isoformat()} {horizon.name} {model}"
    drift = 0.1 * math.sqrt(variance)
    ordinary = "baseline" if model == BASELINE else "challenger"
    served = "champion" if model == CHAMPIONS[horizon.name] else ordinary
    quantiles = [drift + math.sqrt(variance) * NormalDist().inv_cdf(level) for level in QUANTILE_LEVELS]
    return {
        "forecast_id": hashlib.sha256(name.encode()).hexdigest()[:32],
        "kind": "backtest",
        "symbol": symbol,
        "origin": origin,
        "horizon": horizon.name,
        "target_time": origin + horizon.length,
        "reference_price": price,
        **dict(zip(QUANTILES, quantiles, strict=True)),
        "p_up": NormalDist().cdf(0.1),
        "realized_variance": variance,
        "model": model,
        "model_version": "made-by-tests",
        "variant": served,
        "feature_set_version": "made-by-tests",
        "input": "candles@1",
        "provenance": "observed",
        "skill": 0.0 if model == BASELINE else 0.081,
        "skill_sample_size": 4032,
        "written_at": WRITTEN,
    }


@functools.cache
def made_outcomes() -> pd.DataFrame:
    """Rows of `forecast_outcomes` for every made forecast whose target time has candles."""
    closes = {symbol: own.set_index("open_time")["close"] for symbol, own in real_candles().groupby("symbol")}
    place = {symbol: {time: n for n, time in enumerate(own.index)} for symbol, own in closes.items()}
    close = {symbol: own.to_numpy() for symbol, own in closes.items()}
    square = {symbol: (np.log(own).diff() ** 2).to_numpy() for symbol, own in closes.items()}
    rows = []
    for f in made_forecasts().itertuples():
        last = place[f.symbol].get(f.target_time - timedelta(minutes=1))
        if last is None:
            continue
        outcome = math.log(close[f.symbol][last] / f.reference_price)
        realized = square[f.symbol][closes[f.symbol].index.searchsorted(f.origin) : last + 1].sum()
        ratio = max(realized, 1e-12) / f.realized_variance
        errors = [outcome - getattr(f, name) for name in QUANTILES]
        losses = [max(level * error, (level - 1) * error) for level, error in zip(QUANTILE_LEVELS, errors, strict=True)]
        rows.append(
            {
                "forecast_id": f.forecast_id,
                "target_time": f.target_time,
                "realized_log_return": outcome,
                "realized_variance": realized,
                "inside_50": bool(f.q25 <= outcome <= f.q75),
                "inside_90": bool(f.q05 <= outcome <= f.q95),
                "qlike": ratio - math.log(ratio) - 1,
                "pinball": sum(losses) / len(losses),
                "scored_at": WRITTEN,
            }
        )
    return pd.DataFrame(rows)


@functools.cache
def made_scored() -> pd.DataFrame:
    """Forecasts joined with their outcomes."""
    outcomes = made_outcomes().drop(columns="target_time").rename(columns={"realized_variance": "outcome_variance"})
    return made_forecasts().merge(outcomes, on="forecast_id")


@functools.cache
def made_scorecard() -> pd.DataFrame:
    """Rows of `scorecard` from the made outcomes; one model's p-value is below 0.05."""
    scored = made_scored()
    rows = []
    for (kind, symbol, horizon, model), part in scored.groupby(["kind", "symbol", "horizon", "model"]):
        base = scored[(scored["symbol"] == symbol) & (scored["horizon"] == horizon) & (scored["model"] == BASELINE)]
        rows.append(
            {
                "kind": kind,
                "symbol": symbol,
                "horizon": horizon,
                "model": model,
                "sample_size": len(part),
                "scored_from": part["origin"].min(),
                "scored_to": part["origin"].max(),
                "qlike": part["qlike"].mean(),
                "qlike_without_worst": part["qlike"][part["qlike"] < part["qlike"].quantile(0.99)].mean(),
                "pinball": part["pinball"].mean(),
                "coverage_50": part["inside_50"].mean(),
                "coverage_90": part["inside_90"].mean(),
                "skill": 1 - part["qlike"].mean() / base["qlike"].mean(),
                "pinball_skill": 1 - part["pinball"].mean() / base["pinball"].mean(),
                "p_value": {"boosting": 0.004, BASELINE: None}.get(model, 0.4),
                "champion_share": float(model == CHAMPIONS[horizon]),
                "updated_at": WRITTEN,
            }
        )
    return pd.DataFrame(rows).astype({"p_value": float})


def made_evaluations() -> pd.DataFrame:
    """Rows of `model_evaluations` for one month, winners and losers."""
    card = made_scorecard()
    shared = card[
        ["symbol", "horizon", "model", "qlike", "qlike_without_worst", "pinball", "coverage_50", "coverage_90"]
    ]
    return shared.assign(
        month="2023-12-01",
        model_version="made-by-tests",
        folds=4,
        sample_size=4032,
        scored_from=datetime(2023, 11, 16, tzinfo=UTC),
        scored_to=datetime(2023, 11, 30, tzinfo=UTC),
        coverage_90_low=card["coverage_90"] * 1.01,
        coverage_90_middle=card["coverage_90"],
        coverage_90_high=card["coverage_90"] * 0.97,
        baseline=BASELINE,
        skill=card["skill"],
        dm_statistic=np.where(card["model"] == BASELINE, np.nan, -2.0),
        p_value=card["p_value"],
        evaluated_at=WRITTEN,
    )


def made_champions() -> pd.DataFrame:
    """Rows of `champions` for that month."""
    rows = [
        {
            "month": "2023-12-01",
            "symbol": symbol,
            "horizon": horizon,
            "valid_from": START,
            "model": model,
            "model_version": "made-by-tests",
            "reason": f"{model} serves {symbol} {horizon} because the tests say so (QLIKE 0.5 < 0.6)",
            "decided_at": WRITTEN,
        }
        for symbol in SYMBOLS
        for horizon, model in CHAMPIONS.items()
    ]
    return pd.DataFrame(rows)


def made_gaps() -> pd.DataFrame:
    """Rows of `data_gaps`: the hole of `real_candles`."""
    return pd.DataFrame(
        [
            {
                "symbol": "BTCUSDT",
                "source": "candles",
                "start": HOLE[0],
                "end": HOLE[1],
                "minutes": 80,
                "status": "open",
                "repaired_from": None,
                "first_seen": WRITTEN,
            }
        ]
    )


def fill(settings: Settings, provenance: str = "observed") -> None:
    """Write everything above into the stores that `settings` name."""
    table = pa.Table.from_pandas(real_candles().assign(provenance=provenance), preserve_index=False)
    Lake.from_settings(settings).replace(CANDLES, table, START, END)
    engine = connect(settings)
    hole = Gap(*HOLE)
    reconcile(engine, "BTCUSDT", "candles", START, END, [hole], now=WRITTEN)
    write_forecasts(engine, made_forecasts())
    write_outcomes(engine, made_outcomes())
    write_evaluations(engine, made_evaluations())
    write_champions(engine, made_champions())
    replace_scorecard(engine, made_scorecard())
    engine.dispose()
