"""Features as they were known at each origin."""

import dagster as dg
import pyarrow as pa

from bitpredict.features.catalog import FEATURE_SET_VERSION, FEATURE_TABLE, PRICE_FEATURES
from bitpredict.features.table import feature_table as join_features
from bitpredict.features.table import price_features as compute_features
from bitpredict_assets.describe import OWNERS, count_rows_by_day, lake_columns, last_rows, line_plot, show, summary
from bitpredict_assets.freshness import late
from bitpredict_assets.partitions import LOOKBACK_DAYS, daily, reaching_back


@dg.asset(
    group_name="features",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="price_features",
    kinds={"deltalake", "numpy"},
    owners=OWNERS,
    tags={"domain": "features"},
    code_version=FEATURE_SET_VERSION,
    metadata={"dagster/column_schema": lake_columns(PRICE_FEATURES)},
    ins={"candles": dg.AssetIn(partition_mapping=reaching_back(LOOKBACK_DAYS))},
    io_manager_key="lake",
)
def price_features(context: dg.AssetExecutionContext, candles: pa.Table) -> pa.Table:
    """One row a symbol every five minutes, from the symbol's own candles; a day without candles has no row."""
    window = context.partition_time_window
    symbols = sorted(candles["symbol"].unique().to_pylist())
    table = pa.concat_tables(
        [PRICE_FEATURES.empty(), *(compute_features(candles, symbol, window.start, window.end) for symbol in symbols)]
    )
    count_rows_by_day(context, table["origin"])
    show(context, {"preview": last_rows(table)})
    context.add_output_metadata({**summary(table, PRICE_FEATURES), "feature set": FEATURE_SET_VERSION})
    return table


@dg.asset(
    group_name="features",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="feature_table",
    kinds={"deltalake", "table"},
    owners=OWNERS,
    tags={"domain": "features"},
    code_version=FEATURE_SET_VERSION,
    freshness_policy=late,
    metadata={"dagster/column_schema": lake_columns(FEATURE_TABLE)},
    ins={"price_features": dg.AssetIn(partition_mapping=reaching_back(1))},
    io_manager_key="lake",
)
def feature_table(context: dg.AssetExecutionContext, price_features: pa.Table) -> pa.Table:
    """What models are trained on and served from: price features and the other symbols' state as it was known."""
    window = context.partition_time_window
    joined = join_features(price_features)
    table = joined.filter(pa.compute.greater_equal(joined["origin"], pa.scalar(window.start, joined["origin"].type)))
    described = {**summary(table, FEATURE_TABLE), "feature set": FEATURE_SET_VERSION}
    shown = {"preview": last_rows(table)}
    if table.num_rows:
        frame = table.select(["symbol", "origin", "log_rv_60"]).to_pandas()
        by_symbol = {str(s): rows.set_index("origin")["log_rv_60"] for s, rows in frame.groupby("symbol")}
        shown["hourly volatility"] = line_plot(by_symbol, "ln mean squared return")
        described["null share"] = _null_share(table)
    show(context, shown)
    count_rows_by_day(context, table["origin"])
    context.add_output_metadata(described)
    return table


def _null_share(table: pa.Table) -> dict[str, float]:
    shares = {name: table[name].null_count / table.num_rows for name in table.column_names}
    return {name: round(share, 4) for name, share in shares.items() if share > 0}
