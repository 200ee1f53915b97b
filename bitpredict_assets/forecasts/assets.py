"""Forecasts by day of their origin, what came of them by day of their target, and the scorecards."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
import pyarrow as pa

from bitpredict.storage.contracts import TIMESTAMP
from bitpredict.storage.evaluations import read_scorecard, replace_scorecard
from bitpredict.storage.ledger import due_forecasts, read_scored, write_forecasts, write_outcomes
from bitpredict_assets.describe import OWNERS, count_rows_by_day, database_columns, line_plot, preview, show
from bitpredict_assets.partitions import daily, month_of_the_day, reaching_back
from bitpredict_assets.resources import Platform

_SHOWN = ["symbol", "origin", "horizon", "model", "variant", "q05", "q50", "q95", "p_up", "skill"]
_SCORES = ["kind", "symbol", "horizon", "model", "sample_size", "qlike", "skill", "p_value", "coverage_90"]


@dg.asset(
    group_name="forecasts",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="forecasts",
    deps=[dg.AssetDep("champions", partition_mapping=month_of_the_day)],
    kinds={"sql", "numpy"},
    owners=OWNERS,
    tags={"domain": "forecasts"},
    metadata={"dagster/column_schema": database_columns("forecasts")},
)
def batch_forecasts(context: dg.AssetExecutionContext, platform: Platform, feature_table: pd.DataFrame) -> None:
    """Every model's forecast at every origin, by the version of the origin's month. The ledger only grows."""
    from bitpredict.features.catalog import FEATURE_TABLE
    from bitpredict.forecasting.serving import forecast_by_month

    version = platform.lake.version(FEATURE_TABLE)
    made = forecast_by_month(
        feature_table, platform.models, platform.engine, made_from=f"feature_table@{version}", now=datetime.now(UTC)
    )
    written = write_forecasts(platform.engine, made.table)
    served = made.table[made.table["variant"] == "champion"]
    described: dict[str, object] = {
        "rows of the run": len(made.table),
        "new": written.inserted,
        "already in the ledger": written.already_there,
        "origins without a forecast": dict(made.skipped),
        "feature_table version": version,
    }
    shown = {"preview": preview(served[_SHOWN])}
    if len(served):
        shown["hourly volatility forecast"] = _volatility_plot(served)
    show(context, shown)
    count_rows_by_day(context, pa.array(made.table["origin"], TIMESTAMP))
    context.add_output_metadata(described)


def _volatility_plot(served: pd.DataFrame) -> dg.MarkdownMetadataValue:
    hourly = served[served["horizon"] == "1h"]
    return line_plot(
        {
            str(symbol): rows.set_index("origin")["realized_variance"].pow(0.5) * 100
            for symbol, rows in hourly.groupby("symbol")
        },
        "% in an hour",
    )


@dg.asset(
    group_name="forecasts",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="forecast_outcomes",
    ins={
        "candles": dg.AssetIn(partition_mapping=reaching_back(1)),  # the longest horizon is a day
    },
    deps=[dg.AssetDep("batch_forecasts", partition_mapping=reaching_back(1))],
    kinds={"sql"},
    owners=OWNERS,
    tags={"domain": "forecasts"},
    metadata={"dagster/column_schema": database_columns("forecast_outcomes")},
)
def forecast_outcomes(context: dg.AssetExecutionContext, platform: Platform, candles: pa.Table) -> None:
    """What came of each forecast whose target_time lies in these days, and its losses."""
    from bitpredict.forecasting.scoring import score

    window = context.partition_time_window
    due = due_forecasts(platform.engine, window.start, window.end)
    scored = score(due, candles, datetime.now(UTC))
    write_outcomes(platform.engine, scored.table)
    # Midnight belongs to the day that it ends, as it does in `due_forecasts`.
    ended = pd.to_datetime(scored.table["target_time"], utc=True) - timedelta(microseconds=1)
    count_rows_by_day(context, pa.array(ended, TIMESTAMP))
    show(context, {"preview": preview(scored.table)})
    context.add_output_metadata(
        {
            "rows of the run": len(scored.table),
            "due": len(due),
            "not scored": dict(scored.unscored),
            "90 % interval held": float(scored.table["inside_90"].mean()) if len(scored.table) else None,
        }
    )


@dg.asset(
    group_name="forecasts",
    pool="scorecard",
    deps=["forecast_outcomes"],
    kinds={"sql"},
    owners=OWNERS,
    tags={"domain": "forecasts"},
    metadata={"dagster/column_schema": database_columns("scorecard")},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def scorecard(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """How every model did against the baseline on the same origins; backtest and live never mix."""
    from bitpredict.forecasting.scoring import SUMMARIZED, make_scorecard

    card = make_scorecard(read_scored(platform.engine, columns=SUMMARIZED))
    replace_scorecard(platform.engine, card)
    stored = read_scorecard(platform.engine)
    context.add_output_metadata(
        {"dagster/row_count": len(stored), "preview": preview(stored[_SCORES], rows=len(stored))}
    )
