"""What must hold for features."""

from collections.abc import Iterable

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from bitpredict.features.bounds import BOUNDS
from bitpredict.features.breadth import MARKET_BREADTH
from bitpredict.features.catalog import FEATURE_NAMES, FEATURE_TABLE, LOOKBACK, MARKET_FEATURES, OWN_FEATURES
from bitpredict.features.lookahead import prefix_invariance
from bitpredict.features.outside import Outside
from bitpredict.features.table import features_between
from bitpredict.market.coins import read_coins
from bitpredict.market.time import DAY, utc
from bitpredict.storage.contracts import CANDLES
from bitpredict_assets.checking import checked_window
from bitpredict_assets.features.assets import feature_table, market_breadth
from bitpredict_assets.resources import Platform

MOST_NULL = 0.02
FEWEST_COINS = 0.8
"""Share of the list that the newest breadth should be made of."""


@dg.asset_check(
    asset=feature_table, description="no feature changes when the future is cut off (newest day, bit for bit)"
)
def no_lookahead(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """Prefix invariance of every column, straight from candles and from what the lake has beside them."""
    start, end = checked_window(context, platform.lake, FEATURE_TABLE)
    origins = platform.lake.read(FEATURE_TABLE, start, end, columns=["origin"])["origin"]
    if len(origins) == 0:
        return dg.AssetCheckResult(passed=True, metadata={"rows compared": 0})
    day = utc(pa.compute.max(origins).as_py().date())
    candles = platform.lake.read(CANDLES, day - LOOKBACK - DAY, day + DAY)
    outside = Outside.read(platform.lake, day, day + DAY)
    results = prefix_invariance(features_between, candles, day, day + DAY, outside=outside)
    leaking = {result.feature: str(result.first_difference) for result in results if not result.passed}
    return dg.AssetCheckResult(
        passed=not leaking,
        metadata={
            "leaking features": leaking,
            "columns": len(results),
            "rows compared": min(result.rows_compared for result in results),
            "day": f"{day:%Y-%m-%d}",
        },
    )


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "few_nulls", asset=feature_table, description="every feature of candles is there in 98 % of the rows"
        ),
        dg.AssetCheckSpec(
            "in_range", asset=feature_table, description="coverage and shares lie in [0, 1], scores in [-1, 1]"
        ),
    ]
)
def feature_checks(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterable[dg.AssetCheckResult]:
    """Features are there and lie where they can lie."""
    start, end = checked_window(context, platform.lake, FEATURE_TABLE)
    frame = platform.lake.read(FEATURE_TABLE, start, end).to_pandas()
    yield _few_nulls(frame)
    yield _in_range(frame)


def _few_nulls(frame: pd.DataFrame) -> dg.AssetCheckResult:
    # The state of other symbols is null by nature where there is only one.
    # What comes from outside the candles is null where nobody collects it: its own columns tell how much is there.
    features = MARKET_FEATURES if frame["symbol"].nunique() > 1 else OWN_FEATURES
    shares = frame[[feature.name for feature in features]].isna().mean()
    worst = {str(name): round(float(share), 4) for name, share in shares[shares > MOST_NULL].items()}
    return dg.AssetCheckResult(
        check_name="few_nulls",
        passed=not worst,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"null share": worst, "rows": len(frame)},
    )


def _in_range(frame: pd.DataFrame) -> dg.AssetCheckResult:
    bad = {name: int(((frame[name] < low) | (frame[name] > high)).sum()) for name, (low, high) in BOUNDS.items()}
    outside = {name: rows for name, rows in bad.items() if rows}
    features = frame[list(FEATURE_NAMES)].to_numpy(dtype=float)
    return dg.AssetCheckResult(
        check_name="in_range",
        passed=not outside and not np.isinf(features).any(),
        metadata={"rows outside": outside, "infinite values": int(np.isinf(features).sum())},
    )


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "breadth_in_range",
            asset=market_breadth,
            description="shares lie in [0, 1], no quote was received after the origin that used it",
        ),
        dg.AssetCheckSpec(
            "most_coins",
            asset=market_breadth,
            description=f"the newest row is made of at least {FEWEST_COINS:.0%} of the coins of the list",
        ),
    ]
)
def breadth_checks(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterable[dg.AssetCheckResult]:
    """Breadth is possible, and of most coins; days on which no quotes were collected have none."""
    frame = platform.lake.read(MARKET_BREADTH, *checked_window(context, platform.lake, MARKET_BREADTH)).to_pandas()
    shares = frame[["share_up_1h", "share_up_24h"]]
    outside = int(((shares < 0) | (shares > 1)).any(axis=1).sum())
    late = int((frame["known_at"] > frame["origin"]).sum())
    yield dg.AssetCheckResult(
        check_name="breadth_in_range",
        passed=not outside and not late,
        metadata={"rows": len(frame), "rows outside": outside, "rows of later quotes": late},
    )
    listed = len(read_coins(platform.settings.coins_file))
    newest = int(frame["coins"].iloc[-1]) if len(frame) else 0
    yield dg.AssetCheckResult(
        check_name="most_coins",
        passed=frame.empty or newest >= FEWEST_COINS * listed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": len(frame), "coins": f"{newest} of {listed}"},
    )
