"""What must hold for forecasts."""

from collections.abc import Iterable

import dagster as dg

from bitpredict.storage.evaluations import read_scorecard
from bitpredict.storage.ledger import ledger_faults
from bitpredict_assets.checking import checked_origins
from bitpredict_assets.forecasts.assets import batch_forecasts, scorecard
from bitpredict_assets.resources import Platform

COVERAGE = (0.85, 0.95)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("quantiles_ordered", asset=batch_forecasts, description="no quantile lies above the next"),
        dg.AssetCheckSpec("one_champion", asset=batch_forecasts, description="each origin and horizon is served once"),
    ]
)
def forecast_checks(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterable[dg.AssetCheckResult]:
    """The forecasts of the run's days as they stand in the ledger."""
    start, end = checked_origins(context, platform.engine)
    found = ledger_faults(platform.engine, start, end)
    yield dg.AssetCheckResult(
        check_name="quantiles_ordered",
        passed=found["crossing"] == 0,
        metadata={"rows": found["rows"], "crossing": found["crossing"]},
    )
    yield dg.AssetCheckResult(
        check_name="one_champion",
        passed=found["served_twice"] == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": found["rows"], "served more than once": found["served_twice"]},
    )


@dg.asset_check(asset=scorecard, description="90 % intervals held in 85 to 95 % of the outcomes, for every model")
def intervals_hold(platform: Platform) -> dg.AssetCheckResult:
    """A warning: what misses is named, the scorecard shows it anyway."""
    card = read_scorecard(platform.engine)
    outside = card[~card["coverage_90"].between(*COVERAGE)]
    return dg.AssetCheckResult(
        passed=outside.empty and not card.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "rows": len(card),
            "outside": {
                f"{row.kind} {row.symbol} {row.horizon} {row.model}": round(row.coverage_90, 4)
                for row in outside.itertuples()
            },
        },
    )
