"""What must hold for forecasts."""

from collections.abc import Iterable

import dagster as dg
import numpy as np
import pandas as pd

from bitpredict.market.horizons import HORIZONS
from bitpredict.storage.evaluations import read_scorecard
from bitpredict.storage.ledger import read_forecasts
from bitpredict_assets.forecasts.assets import batch_forecasts, scorecard
from bitpredict_assets.resources import Platform

QUANTILES = ["q05", "q10", "q25", "q50", "q75", "q90", "q95"]
COVERAGE = (0.85, 0.95)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("quantiles_ordered", asset=batch_forecasts, description="no quantile lies above the next"),
        dg.AssetCheckSpec("one_champion", asset=batch_forecasts, description="each origin and horizon is served once"),
    ]
)
def forecast_checks(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterable[dg.AssetCheckResult]:
    """The forecasts of the run's days as they stand in the ledger."""
    window = context.op_execution_context.partition_time_window
    frame = pd.concat(
        [
            read_forecasts(platform.engine, symbol, horizon.name, window.start, window.end)
            for symbol in platform.settings.symbols
            for horizon in HORIZONS
        ]
    )
    crossing = frame[(np.diff(frame[QUANTILES].to_numpy(), axis=1) < 0).any(axis=1)]
    yield dg.AssetCheckResult(
        check_name="quantiles_ordered",
        passed=crossing.empty,
        metadata={"rows": len(frame), "crossing": len(crossing), "models": sorted(crossing["model"].unique())},
    )
    served = frame[frame["variant"] == "champion"].groupby(["symbol", "horizon", "origin"]).size()
    yield dg.AssetCheckResult(
        check_name="one_champion",
        passed=not (served > 1).any(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"origins served": len(served), "served more than once": int((served > 1).sum())},
    )


@dg.asset_check(asset=scorecard, description="90 % intervals held in 85 to 95 % of the outcomes, for every model")
def intervals_hold(platform: Platform) -> dg.AssetCheckResult:
    """A warning: what misses is named, the scorecard shows it anyway."""
    card = read_scorecard(platform.engine)
    outside = card[~card["coverage_90"].between(*COVERAGE)]
    names = outside[["kind", "symbol", "horizon", "model"]].agg(" ".join, axis=1)
    return dg.AssetCheckResult(
        passed=outside.empty and not card.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": len(card), "outside": dict(zip(names, outside["coverage_90"].round(4), strict=True))},
    )
