"""What must hold for features."""

from collections.abc import Iterable

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from bitpredict.features.catalog import FEATURE_NAMES, FEATURE_TABLE, LOOKBACK, OWN_FEATURES
from bitpredict.features.lookahead import prefix_invariance
from bitpredict.features.table import features_between
from bitpredict.market.time import DAY, utc
from bitpredict.storage.contracts import CANDLES
from bitpredict_assets.checking import checked_window
from bitpredict_assets.features.assets import feature_table
from bitpredict_assets.resources import Platform

MOST_NULL = 0.02


@dg.asset_check(
    asset=feature_table, description="no feature changes when the future is cut off (newest day, bit for bit)"
)
def no_lookahead(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """Prefix invariance of every column, straight from candles."""
    start, end = checked_window(context, platform.lake, FEATURE_TABLE)
    origins = platform.lake.read(FEATURE_TABLE, start, end, columns=["origin"])["origin"]
    if len(origins) == 0:
        return dg.AssetCheckResult(passed=True, metadata={"rows compared": 0})
    day = utc(pa.compute.max(origins).as_py().date())
    candles = platform.lake.read(CANDLES, day - LOOKBACK - DAY, day + DAY)
    results = prefix_invariance(features_between, candles, day, day + DAY)
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
        dg.AssetCheckSpec("few_nulls", asset=feature_table, description="every feature is there in 98 % of the rows"),
        dg.AssetCheckSpec("in_range", asset=feature_table, description="coverage and shares lie in [0, 1]"),
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
    names = FEATURE_NAMES if frame["symbol"].nunique() > 1 else tuple(feature.name for feature in OWN_FEATURES)
    shares = frame[list(names)].isna().mean()
    worst = {str(name): round(float(share), 4) for name, share in shares[shares > MOST_NULL].items()}
    return dg.AssetCheckResult(
        check_name="few_nulls",
        passed=not worst,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"null share": worst, "rows": len(frame)},
    )


def _in_range(frame: pd.DataFrame) -> dg.AssetCheckResult:
    shares = frame[["coverage", "coverage_60"]]
    outside = {str(name): int(((values < 0) | (values > 1)).sum()) for name, values in shares.items()}
    features = frame[list(FEATURE_NAMES)].to_numpy(dtype=float)
    return dg.AssetCheckResult(
        check_name="in_range",
        passed=not any(outside.values()) and not np.isinf(features).any(),
        metadata={"rows outside": outside, "infinite values": int(np.isinf(features).sum())},
    )
