"""Quotes that stand out of those around them. Flagged and counted, never changed."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np

from bitpredict.market.cleaning import flag_outliers
from bitpredict.market.coins import read_coins
from bitpredict.storage.market_table import read_prices
from bitpredict_assets.markets.assets import coin_markets
from bitpredict_assets.resources import Platform

LOOKED_AT, WINDOW = timedelta(hours=6), 13
"""Of the quotes of six hours each is compared with those of the half hour before and after it, as far as they are."""

THRESHOLD, FLOOR = 10.0, 0.005
"""In standard deviations of these quotes, of which half a percent is the least: five percent away from their median."""


@dg.asset_check(
    asset=coin_markets, description="no quote stands far out of its coin's quotes around it (Hampel's filter)"
)
def no_outlying_quote(platform: Platform) -> dg.AssetCheckResult:
    """A warning: a small coin may well move so."""
    now = datetime.now(UTC)
    coins = [coin.coin_id for coin in read_coins(platform.settings.coins_file)]
    frame = read_prices(platform.engine, coins, now - LOOKED_AT, now)
    frame = frame.assign(log_price=np.log(frame["price"]))
    judged = flag_outliers(
        frame, "log_price", window=WINDOW, threshold=THRESHOLD, floor=FLOOR, causal=False, by="coin_id"
    )
    outliers = judged.data[judged.data["outlier_log_price"]]
    return dg.AssetCheckResult(
        passed=outliers.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "quotes": len(frame),
            "not judged": judged.not_judged["outlier_log_price"],
            "outliers": len(outliers),
            "by coin": {str(coin): int(n) for coin, n in outliers["coin_id"].value_counts().items()},
        },
    )
