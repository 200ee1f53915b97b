"""Indicators over a year of minutes: ours against TA-Lib's own calls made by hand, and against the `ta` package."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import ta
import talib

from bitpredict.features.indicators import indicators

MINUTES = 525_600
ROUNDS = 7


def main() -> None:
    """Print both ratios: higher is better, 1 is the same speed."""
    bars = _bars()
    arrays = tuple(bars[name].to_numpy().copy() for name in ("open", "high", "low", "close", "volume"))
    ours, by_hand = _best(lambda: indicators(*arrays), lambda: _by_hand(*arrays))
    (peer,) = _best(lambda: _with_ta(bars), rounds=1)
    print(f"{len(indicators(*arrays))} indicators over {MINUTES:,} minutes: {ours * 1000:.0f} ms")
    print(f"  {by_hand / ours:.2f} x the speed of TA-Lib called by hand ({by_hand * 1000:.0f} ms; target 0.8)")
    print(f"  {peer / ours:.0f} x the speed of the ta package ({peer:.1f} s; target 20)")


def _bars() -> pd.DataFrame:
    """A seeded random walk with a spread: speed does not depend on what the prices were."""
    random = np.random.default_rng(1)
    close = 30_000 * np.exp(np.cumsum(random.normal(0, 5e-4, MINUTES)))
    open_ = np.r_[close[0], close[:-1]]
    spread = np.exp(random.exponential(3e-4, MINUTES))
    return pd.DataFrame(
        {
            "open": open_,
            "high": np.maximum(open_, close) * spread,
            "low": np.minimum(open_, close) / spread,
            "close": close,
            "volume": random.lognormal(3, 1, MINUTES),
        }
    )


def _best(*calls: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """The shortest time of each, in seconds; they take turns, so that a busy machine slows all alike."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def _by_hand(o: np.ndarray, h: np.ndarray, lo: np.ndarray, c: np.ndarray, v: np.ndarray) -> list[object]:
    """The same calls, their results kept as ours are: most of the time goes into the memory for them."""
    return [
        *(talib.SMA(c, n) for n in (20, 60, 240)),
        *(talib.EMA(c, n) for n in (12, 60, 240)),
        *(talib.RSI(c, n) for n in (14, 60)),
        *(talib.ATR(h, lo, c, n) for n in (14, 60)),
        talib.MACD(c, 12, 26, 9),
        talib.BBANDS(c, 20, 2.0, 2.0),
        talib.OBV(c, v),
        talib.ADX(h, lo, c, 14),
        talib.STOCH(h, lo, c, fastk_period=14, slowk_period=3, slowd_period=3),
        talib.WILLR(h, lo, c, 14),
        talib.CCI(h, lo, c, 20),
        talib.MFI(h, lo, c, v, 14),
        talib.ROCP(c, 60),
        talib.BOP(o, h, lo, c),
    ]


def _with_ta(bars: pd.DataFrame) -> None:
    high, low, close, volume = bars["high"], bars["low"], bars["close"], bars["volume"]
    for n in (20, 60, 240):
        ta.trend.sma_indicator(close, n)
    for n in (12, 60, 240):
        ta.trend.ema_indicator(close, n)
    for n in (14, 60):
        ta.momentum.rsi(close, n)
        ta.volatility.average_true_range(high, low, close, n)
    macd = ta.trend.MACD(close, 26, 12, 9)
    macd.macd(), macd.macd_signal(), macd.macd_diff()
    bands = ta.volatility.BollingerBands(close, 20, 2)
    bands.bollinger_hband(), bands.bollinger_mavg(), bands.bollinger_lband()
    ta.volume.on_balance_volume(close, volume)
    ta.trend.adx(high, low, close, 14)
    stochastic = ta.momentum.StochasticOscillator(high, low, close, 14, 3)
    stochastic.stoch_signal().rolling(3).mean()
    ta.momentum.williams_r(high, low, close, 14)
    ta.trend.cci(high, low, close, 20)
    ta.volume.money_flow_index(high, low, close, volume, 14)
    ta.momentum.roc(close, 60)


if __name__ == "__main__":
    main()
