"""What must hold for models."""

import dagster as dg

from bitpredict.storage.evaluations import read_champions, read_evaluations
from bitpredict_assets.models.assets import champions
from bitpredict_assets.resources import Platform


@dg.asset_check(asset="model_evaluations", description="each month's champion does not lose to the baseline")
def champion_not_below_baseline(platform: Platform) -> dg.AssetCheckResult:
    """Loss of the version that serves against the baseline's, on the same origins."""
    served = read_champions(platform.engine).merge(
        read_evaluations(platform.engine), on=["month", "symbol", "horizon", "model", "model_version"]
    )
    losing = served[served["skill"] < 0]
    return dg.AssetCheckResult(
        passed=losing.empty and not served.empty,
        metadata={
            "champions": len(served),
            "losing": [f"{row.month} {row.symbol} {row.horizon} {row.model}" for row in losing.itertuples()],
        },
    )


@dg.asset_check(asset=champions, description="the champion's 90 % interval held in 85 to 95 % of the folds' outcomes")
def champion_covers(platform: Platform) -> dg.AssetCheckResult:
    """A warning, not an error: the baseline serves even then, and its coverage is shown."""
    served = read_champions(platform.engine).merge(
        read_evaluations(platform.engine), on=["month", "symbol", "horizon", "model", "model_version"]
    )
    outside = served[~served["coverage_90"].between(0.85, 0.95)]
    return dg.AssetCheckResult(
        passed=outside.empty and not served.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "outside": {
                f"{row.month} {row.symbol} {row.horizon} {row.model}": round(row.coverage_90, 4)
                for row in outside.itertuples()
            },
        },
    )
