"""The indicators that chart users know, straight from TA-Lib, and the features made of them."""

import numpy as np
import numpy.typing as npt
import talib

from bitpredict.features.arithmetic import log_of, ratio
from bitpredict.features.declaration import Feature
from bitpredict.features.minutes import MinuteGrid
from bitpredict.features.view import DAY, View
from bitpredict.features.windows import Floats, Ladder, Rows

HOUR = 60
_REACH = 2 * DAY

FEATURES: tuple[Feature, ...] = tuple(
    Feature(name, meaning, "", _REACH)
    for name, meaning in (
        ("sma_gap_20", "ln(close / simple moving average of 20 bars)"),
        ("sma_gap_60", "ln(close / simple moving average of 60 bars)"),
        ("sma_gap_240", "ln(close / simple moving average of 240 bars)"),
        ("ema_gap_12", "ln(close / exponential moving average of 12 bars)"),
        ("ema_gap_60", "ln(close / exponential moving average of 60 bars)"),
        ("ema_gap_240", "ln(close / exponential moving average of 240 bars)"),
        ("rsi_14", "relative strength index of 14 bars, 0 to 1"),
        ("rsi_60", "relative strength index of 60 bars, 0 to 1"),
        ("macd", "MACD(12, 26, 9) / close"),
        ("macd_histogram", "MACD(12, 26, 9) less its signal line, / close"),
        ("bollinger_place", "place of the close between the Bollinger bands (20 bars, 2 deviations): 0 lower, 1 upper"),
        ("bollinger_width", "(upper - lower band) / middle band"),
        ("atr_14", "average true range of 14 bars / close"),
        ("atr_60", "average true range of 60 bars / close"),
        ("obv_change_60", "change of on-balance volume over 60 bars / their volume, -1 to 1"),
        ("adx_14", "average directional index of 14 bars, 0 to 1"),
        ("stochastic_k", "slow stochastic %K (14, 3), 0 to 1"),
        ("stochastic_d", "slow stochastic %D (14, 3, 3), 0 to 1"),
        ("williams_14", "Williams %R of 14 bars, -1 to 0"),
        ("cci_20", "commodity channel index of 20 bars / 100"),
        ("mfi_14", "money flow index of 14 bars, 0 to 1"),
        ("roc_60", "rate of change over 60 bars"),
        ("balance_of_power", "(close - open) / (high - low) of the last bar"),
    )
)


def indicators(open: Floats, high: Floats, low: Floats, close: Floats, volume: Floats) -> dict[str, Floats]:  # noqa: A002
    """TA-Lib's indicators of a series of bars, in TA-Lib's own units; NaN while an indicator warms up.

    Args:
        open, high, low, close, volume: (n,) contiguous, without NaN.
    """
    macd, macd_signal, macd_histogram = talib.MACD(close, 12, 26, 9)
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    stochastic_k, stochastic_d = talib.STOCH(high, low, close, fastk_period=14, slowk_period=3, slowd_period=3)
    return {
        "sma_20": talib.SMA(close, 20),
        "sma_60": talib.SMA(close, 60),
        "sma_240": talib.SMA(close, 240),
        "ema_12": talib.EMA(close, 12),
        "ema_60": talib.EMA(close, 60),
        "ema_240": talib.EMA(close, 240),
        "rsi_14": talib.RSI(close, 14),
        "rsi_60": talib.RSI(close, 60),
        "macd": macd,
        "macd_signal": macd_signal,
        "macd_histogram": macd_histogram,
        "bollinger_upper": upper,
        "bollinger_middle": middle,
        "bollinger_lower": lower,
        "atr_14": talib.ATR(high, low, close, 14),
        "atr_60": talib.ATR(high, low, close, 60),
        "obv": talib.OBV(close, volume),
        "adx_14": talib.ADX(high, low, close, 14),
        "stochastic_k": stochastic_k,
        "stochastic_d": stochastic_d,
        "williams_14": talib.WILLR(high, low, close, 14),
        "cci_20": talib.CCI(high, low, close, 20),
        "mfi_14": talib.MFI(high, low, close, volume, 14),
        "roc_60": talib.ROCP(close, 60),
        "balance_of_power": talib.BOP(open, high, low, close),
    }


def compute(view: View) -> dict[str, Floats]:
    """The features of this family at the view's origins.

    A recursive indicator depends on its first bar. It is therefore always the same one: origins of a UTC day see the
    observed bars from the midnight a day before it. The bars run in sequence, with nothing filled in for minutes that
    are missing or halted; an origin whose own last minute is not observed has null indicators.
    """
    found = {feature.name: np.full(view.rows.size, np.nan) for feature in FEATURES}
    if view.rows.size == 0:
        return found
    day = view.origin.astype("datetime64[D]")
    starts = np.flatnonzero(np.r_[True, day[1:] != day[:-1]])
    for first, after in zip(starts, np.r_[starts[1:], day.size], strict=True):
        rows = view.rows[first:after]
        anchor = day[first] - np.timedelta64(1, "D")
        begin = max(int((anchor - view.grid.open_time[0]) / np.timedelta64(1, "m")), 0)
        bars = begin + np.flatnonzero(view.grid.observed[begin : rows[-1] + 1])
        known = np.isin(rows, bars)
        if known.any():
            for name, values in _features(view.grid, bars, np.searchsorted(bars, rows[known])).items():
                found[name][first:after][known] = values
    return found


def _features(grid: MinuteGrid, bars: Rows, at: Rows) -> dict[str, Floats]:
    open_, high, low, close = grid.open[bars], grid.high[bars], grid.low[bars], grid.close[bars]
    volume = grid.volume[bars]
    every = indicators(open_, high, low, close, volume)
    undefined = _undefined(high, low, close)
    raw = {name: values[at] for name, values in every.items()}
    raw |= {name: np.where(where[at], np.nan, raw[name]) for name, where in undefined.items()}
    last = close[at]
    hour_ago = np.where(at >= HOUR, every["obv"][np.maximum(at - HOUR, 0)], np.nan)
    found = {f"{kind}_gap_{n}": log_of(last / raw[f"{kind}_{n}"]) for kind, n in _AVERAGES}
    found |= {name: raw[name] / 100.0 for name in _PERCENTAGES}
    found |= {name: raw[name] / last for name in ("macd", "macd_histogram", "atr_14", "atr_60")}
    found |= {name: raw[name] for name in ("roc_60", "balance_of_power")}
    band = raw["bollinger_upper"] - raw["bollinger_lower"]
    found["bollinger_place"] = ratio(last - raw["bollinger_lower"], band)
    found["bollinger_width"] = band / raw["bollinger_middle"]
    found["obv_change_60"] = ratio(raw["obv"] - hour_ago, Ladder(volume).over(HOUR, at))
    return found


_AVERAGES = (("sma", 20), ("sma", 60), ("sma", 240), ("ema", 12), ("ema", 60), ("ema", 240))
_PERCENTAGES = ("rsi_14", "rsi_60", "adx_14", "stochastic_k", "stochastic_d", "williams_14", "cci_20", "mfi_14")


def _undefined(high: Floats, low: Floats, close: Floats) -> dict[str, npt.NDArray[np.bool_]]:
    """Bars where TA-Lib answers zero (or rounding residue) for a quotient of nothing by nothing: a flat market."""
    flat_14 = talib.MAX(high, 14) <= talib.MIN(low, 14)
    return {
        "stochastic_k": _any_of_last(flat_14, 3),
        "stochastic_d": _any_of_last(flat_14, 5),
        "williams_14": flat_14,
        "mfi_14": talib.MAX(high, 15) <= talib.MIN(low, 15),
        "cci_20": talib.MAX(high, 20) <= talib.MIN(low, 20),
        "bollinger_upper": talib.MAX(close, 20) <= talib.MIN(close, 20),
        "balance_of_power": high <= low,
    }


def _any_of_last(where: npt.NDArray[np.bool_], bars: int) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = talib.MAX(where.astype(np.float64), bars) > 0.0
    return found
