"""Closes that stand out of the minutes around them. Flagged and counted, never changed: it may be the market's own."""

from datetime import timedelta

import dagster as dg
import numpy as np

from bitpredict.market.cleaning import flag_missing, flag_outliers
from bitpredict.market.time import MINUTE
from bitpredict.storage.contracts import CANDLES
from bitpredict_assets.checking import checked_window
from bitpredict_assets.prices.assets import candles
from bitpredict_assets.resources import Platform

WINDOW = 21
"""Minutes that a close is compared with, itself in their middle: a price that moved and stays there is no outlier."""

THRESHOLD, FLOOR = 10.0, 0.001
"""In standard deviations of these minutes, of which a tenth of a percent is the least: a percent from their median. The
sample's two months have none."""

_COLUMNS = ["symbol", "open_time", "close", "trade_count", "taker_buy_volume"]


@dg.asset_check(asset=candles, description="no minute's close stands far out of those around it (Hampel's filter)")
def no_outlier(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """A warning: what is flagged is shown, and whoever looks decides."""
    start, end = checked_window(context, platform.lake, CANDLES)
    around: timedelta = WINDOW // 2 * MINUTE
    frame = platform.lake.read(CANDLES, start - around, end + around, columns=_COLUMNS).to_pandas()
    # Of one symbol after the other: each in order of time.
    frame = frame.assign(log_close=np.log(frame["close"])).sort_values(["symbol", "open_time"], ignore_index=True)
    judged = flag_outliers(
        frame, "log_close", window=WINDOW, threshold=THRESHOLD, floor=FLOOR, causal=False, by="symbol"
    ).data
    inside = judged[(judged["open_time"] >= start) & (judged["open_time"] < end)]
    outliers = inside[inside["outlier_log_close"]]
    named = outliers["symbol"] + " " + outliers["open_time"].dt.strftime("%Y-%m-%d %H:%M")
    return dg.AssetCheckResult(
        passed=outliers.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "rows": len(inside),
            "outliers": len(outliers),
            "first of them": named.head(10).tolist(),
            "nobody told": dict(flag_missing(inside, ["trade_count", "taker_buy_volume"]).counts),
        },
    )
