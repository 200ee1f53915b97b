from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import ta
import talib

from bitpredict.features.catalog import FEATURE_NAMES
from bitpredict.features.indicators import FEATURES, indicators
from bitpredict.features.table import price_features
from tests.support.past import Past, over

WARM = 2500  # bars after which a recursion over 240 of them has forgotten its start to nine digits


@pytest.fixture(scope="module")
def bars(only_bitcoin) -> pd.DataFrame:
    frame: pd.DataFrame = only_bitcoin.slice(0, 4000).to_pandas()
    return frame


@pytest.fixture(scope="module")
def found(bars) -> dict[str, np.ndarray]:
    return indicators(*(bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume")))


def by_the_ta_package(bars: pd.DataFrame) -> dict[str, pd.Series]:
    high, low, close, volume = bars["high"], bars["low"], bars["close"], bars["volume"]
    macd = ta.trend.MACD(close, 26, 12, 9)
    bands = ta.volatility.BollingerBands(close, 20, 2)
    stochastic = ta.momentum.StochasticOscillator(high, low, close, 14, 3)
    return {
        **{f"sma_{n}": ta.trend.sma_indicator(close, n) for n in (20, 60, 240)},
        **{f"ema_{n}": ta.trend.ema_indicator(close, n) for n in (12, 60, 240)},
        **{f"rsi_{n}": ta.momentum.rsi(close, n) for n in (14, 60)},
        "macd": macd.macd(),
        "macd_signal": macd.macd_signal(),
        "macd_histogram": macd.macd_diff(),
        "bollinger_upper": bands.bollinger_hband(),
        "bollinger_middle": bands.bollinger_mavg(),
        "bollinger_lower": bands.bollinger_lband(),
        **{f"atr_{n}": ta.volatility.average_true_range(high, low, close, n) for n in (14, 60)},
        "adx_14": ta.trend.adx(high, low, close, 14),
        "stochastic_k": stochastic.stoch_signal(),
        "stochastic_d": stochastic.stoch_signal().rolling(3).mean(),
        "williams_14": ta.momentum.williams_r(high, low, close, 14),
        "cci_20": ta.trend.cci(high, low, close, 20),
        "mfi_14": ta.volume.money_flow_index(high, low, close, volume, 14),
        "roc_60": ta.momentum.roc(close, 60) / 100,
        "balance_of_power": (close - bars["open"]) / (high - low),
    }


def test_another_package_computes_the_same_indicators(bars, found):
    peer = by_the_ta_package(bars)
    assert set(found) - set(peer) == {"obv"}
    for name, values in peer.items():
        np.testing.assert_allclose(found[name][WARM:], values[WARM:], rtol=1e-6, atol=1e-6, err_msg=name)


def test_on_balance_volume_adds_volume_with_the_sign_of_the_step(bars, found):
    steps = np.sign(bars["close"].diff()[1:]) * bars["volume"][1:]
    np.testing.assert_allclose(np.diff(found["obv"]), steps, atol=1e-6)


def expected(past: Past) -> dict[str, float]:
    """TA-Lib called by hand on the bars since the midnight before the origin's day."""
    if past.bars.index[-1] != past.origin - timedelta(minutes=1):
        return dict.fromkeys((feature.name for feature in FEATURES), np.nan)
    bars = past.bars[past.origin.floor("D") - pd.Timedelta(days=1) :]
    o, h, lo, c, v = (bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))
    macd, _, histogram = talib.MACD(c, fastperiod=12, slowperiod=26, signalperiod=9)
    upper, middle, lower = talib.BBANDS(c, timeperiod=20, nbdevup=2, nbdevdn=2)
    k, d = talib.STOCH(h, lo, c, fastk_period=14, slowk_period=3, slowd_period=3)
    obv = talib.OBV(c, v)
    return {
        **{f"sma_gap_{n}": np.log(c[-1] / c[-n:].mean()) for n in (20, 60, 240)},
        **{f"ema_gap_{n}": np.log(c[-1] / talib.EMA(c, n)[-1]) for n in (12, 60, 240)},
        **{f"rsi_{n}": talib.RSI(c, n)[-1] / 100 for n in (14, 60)},
        "macd": macd[-1] / c[-1],
        "macd_histogram": histogram[-1] / c[-1],
        "bollinger_place": over(c[-1] - lower[-1], upper[-1] - lower[-1]),
        "bollinger_width": (upper[-1] - lower[-1]) / middle[-1],
        **{f"atr_{n}": talib.ATR(h, lo, c, n)[-1] / c[-1] for n in (14, 60)},
        "obv_change_60": (obv[-1] - obv[-61]) / v[-60:].sum(),
        "adx_14": talib.ADX(h, lo, c, 14)[-1] / 100,
        "stochastic_k": k[-1] / 100,
        "stochastic_d": d[-1] / 100,
        "williams_14": talib.WILLR(h, lo, c, 14)[-1] / 100,
        "cci_20": talib.CCI(h, lo, c, 20)[-1] / 100,
        "mfi_14": talib.MFI(h, lo, c, v, 14)[-1] / 100,
        "roc_60": c[-1] / c[-61] - 1,
        "balance_of_power": over(c[-1] - o[-1], h[-1] - lo[-1]),
    }


def test_features_are_scale_free_indicators_since_the_midnight_before(case):
    case.check(expected)
    assert {feature.name for feature in FEATURES} == set(expected(Past.of(case.candles.to_pandas(), "BTCUSDT")))
    assert {feature.name for feature in FEATURES} <= set(FEATURE_NAMES)


def test_in_a_flat_market_quotients_of_nothing_are_null(still_hour):
    last = still_hour.iloc[-1]
    flat = ["stochastic_k", "stochastic_d", "williams_14", "mfi_14", "cci_20", "bollinger_place", "balance_of_power"]
    assert last[flat].isna().all()
    assert last[["rsi_14", "adx_14", "atr_14", "sma_gap_60", "roc_60"]].notna().all()


def test_an_indicator_that_has_not_warmed_up_is_null(only_bitcoin):
    first = only_bitcoin["open_time"][0].as_py()
    rows = price_features(only_bitcoin, "BTCUSDT", first, first + timedelta(hours=5)).to_pandas()
    warm_after = {name: rows["origin"][rows[name].first_valid_index()] - first for name in ("sma_gap_20", "roc_60")}
    assert warm_after == {"sma_gap_20": timedelta(minutes=20), "roc_60": timedelta(minutes=65)}
