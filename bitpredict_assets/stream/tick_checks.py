"""What must hold for the models of the minute ahead that serve."""

from collections.abc import Iterator

import dagster as dg

from bitpredict.market.horizons import TICK
from bitpredict.market.time import DAY, utc
from bitpredict.storage.contracts import STREAMED_TRADES
from bitpredict.streaming.topics import live_exchanges
from bitpredict_assets.checking import checked_window
from bitpredict_assets.resources import Platform


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "serving_not_below_baseline",
            asset="tick_models",
            description="what serves each symbol does not lose to the baseline on the day's later ticks",
        ),
        dg.AssetCheckSpec(
            "serving_covers",
            asset="tick_models",
            description="90 % of the day's later outcomes lie inside what serves says, as far as their number tells",
        ),
    ]
)
def serving_tick_models(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterator[dg.AssetCheckResult]:
    """Of the last day of the run that has trades (alone: of the newest). A version of that day learnt from its earlier
    ticks; one of a day before saw nothing of it. Coverage is a warning: the remedy is more ticks, not another model."""
    from bitpredict.forecasting.registry import open_registry
    from bitpredict.streaming.tick_days import COLUMNS, by_symbol
    from bitpredict.streaming.tick_models import TICK_BASELINE
    from bitpredict.streaming.tick_store import TickModelStore
    from bitpredict.streaming.tick_training import COVERED, coverage_tolerance, score_tick_model

    start, end = checked_window(context, platform.lake, STREAMED_TRADES)
    day = max((day for day in platform.lake.days(STREAMED_TRADES) if start <= utc(day) < end), default=start.date())
    rows = platform.lake.read(STREAMED_TRADES, utc(day), utc(day) + DAY, columns=COLUMNS)
    champions = open_registry(platform.settings.mlflow).champions()
    store = TickModelStore.from_settings(platform.settings)
    scores, serving = {}, {}
    for symbol, trades in by_symbol(rows, live_exchanges(platform.settings)):
        version = champions.get((symbol, TICK.name), TICK_BASELINE.version)
        model = TICK_BASELINE if version == TICK_BASELINE.version else store.load(version)
        if score := score_tick_model(model, trades, platform.settings.tick_window):
            scores[symbol], serving[symbol] = score, f"{model.name} {model.version}"
    seen = {"day": f"{day}", "serving": serving, "seconds": {symbol: one.scored_on for symbol, one in scores.items()}}
    yield dg.AssetCheckResult(
        check_name="serving_not_below_baseline",
        asset_key="tick_models",
        passed=bool(scores) and all(one.qlike <= one.baseline_qlike for one in scores.values()),
        metadata={**seen, "skill": {symbol: 1.0 - one.qlike / one.baseline_qlike for symbol, one in scores.items()}},
    )
    allowed = {symbol: coverage_tolerance(one.scored_on) for symbol, one in scores.items()}
    yield dg.AssetCheckResult(
        check_name="serving_covers",
        asset_key="tick_models",
        passed=bool(scores)
        and all(abs(one.coverage_90 - COVERED) <= allowed[symbol] for symbol, one in scores.items()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            **seen,
            "coverage": {symbol: one.coverage_90 for symbol, one in scores.items()},
            "tolerance": allowed,
        },
    )
