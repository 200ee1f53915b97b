"""What must hold for quotes: the newest answer told of every coin of the list, and lately."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd

from bitpredict.market.coins import read_coins
from bitpredict.storage.market_table import newest_quotes
from bitpredict_assets.markets.assets import coin_markets
from bitpredict_assets.resources import Platform

STALE_AFTER = timedelta(minutes=15)
"""Three ticks of the schedule."""


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "every_coin_told", asset=coin_markets, description="the newest answer had a quote of every coin of the list"
        ),
        dg.AssetCheckSpec(
            "quotes_fresh",
            asset=coin_markets,
            description=f"no coin's newest quote is older than {STALE_AFTER // timedelta(minutes=1)} minutes",
        ),
    ]
)
def coin_market_checks(platform: Platform) -> Iterable[dg.AssetCheckResult]:
    """Of the coins of the list by what is stored, so that a source that has fallen silent is seen too."""
    settings = platform.settings
    now = pd.Timestamp(settings.collected_until() if settings.invented_quotes else datetime.now(UTC))
    stored = newest_quotes(platform.engine).set_index("coin_id")
    listed = stored.reindex([coin.coin_id for coin in read_coins(platform.settings.coins_file)])
    seen = listed["last_seen"]
    missing = {coin: "never" if pd.isna(last) else last.isoformat() for coin, last in seen[seen != seen.max()].items()}
    yield dg.AssetCheckResult(
        check_name="every_coin_told",
        passed=not missing,
        metadata={"coins": f"{len(listed) - len(missing)} of {len(listed)}", "missing, last told of": missing},
    )
    stale = listed["observed_at"][listed["observed_at"] < now - STALE_AFTER]
    yield dg.AssetCheckResult(
        check_name="quotes_fresh",
        passed=stale.empty and bool(listed["observed_at"].notna().any()),
        metadata={
            "stale coins": len(stale),
            "observed at": {str(coin): moment.isoformat() for coin, moment in stale.items()},
        },
    )
