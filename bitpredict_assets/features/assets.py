"""Features as they were known at each origin."""

from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa

from bitpredict.features.breadth import MARKET_BREADTH, REACH
from bitpredict.features.breadth import market_breadth as breadth_of
from bitpredict.features.catalog import FEATURE_SET_VERSION, FEATURE_TABLE, PRICE_FEATURES
from bitpredict.features.outside import Outside
from bitpredict.features.serving import newest_rows, rows_to_serve
from bitpredict.features.table import feature_table as join_features
from bitpredict.features.table import price_features as compute_features
from bitpredict.market.time import DAY, days, utc
from bitpredict.storage.market_table import read_coins_seen, read_prices
from bitpredict.storage.serving_rows import read_serving_rows, write_serving_rows
from bitpredict_assets.describe import (
    OWNERS,
    count_rows_by_day,
    database_columns,
    lake_columns,
    last_rows,
    line_plot,
    preview,
    show,
    summary,
)
from bitpredict_assets.freshness import SERVED_WITHIN, late
from bitpredict_assets.partitions import LOOKBACK_DAYS, daily, reaching_back
from bitpredict_assets.resources import Platform


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
    pool="market_breadth",
    kinds={"deltalake", "numpy"},
    owners=OWNERS,
    tags={"domain": "features"},
    metadata={"dagster/column_schema": lake_columns(MARKET_BREADTH)},
    deps=[
        "coin_markets",
        dg.AssetDep("coin_history", partition_mapping=reaching_back(1)),
    ],
    io_manager_key="lake",
)
def market_breadth(context: dg.AssetExecutionContext, platform: Platform) -> pa.Table:
    """What the watched coins did in the hour and the day before every five minutes, from the quotes that were there by
    then; where no quotes were collected there is no row. A coin was watched when it was quoted, whatever today's list
    says: one that left it stays in the past, and one that came is not put there."""
    window, now = context.partition_time_window, datetime.now(UTC)
    coins = list(read_coins_seen(platform.engine)["coin_id"])
    made = [MARKET_BREADTH.empty()]
    for day in map(utc, days(window.start, min(window.end, now))):
        quotes = read_prices(platform.engine, coins, day - REACH, day + DAY)
        made.append(breadth_of(quotes, coins, day, min(day + DAY, now)))
    table = pa.concat_tables(made)
    count_rows_by_day(context, table["origin"])
    show(context, {"preview": last_rows(table)})
    context.add_output_metadata({**summary(table, MARKET_BREADTH), "coins ever quoted": len(coins)})
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
    deps=[dg.AssetDep(name, partition_mapping=reaching_back(1)) for name in ("market_breadth", "hourly_sentiment")],
    io_manager_key="lake",
)
def feature_table(context: dg.AssetExecutionContext, platform: Platform, price_features: pa.Table) -> pa.Table:
    """What models are trained on and served from: price features, the other symbols' state, and what news and the whole
    market said, each as it was known; null where that is not collected."""
    window = context.partition_time_window
    joined = join_features(price_features, Outside.read(platform.lake, window.start, window.end))
    table = joined.filter(pa.compute.greater_equal(joined["origin"], pa.scalar(window.start, joined["origin"].type)))
    if other := set(table["feature_set_version"].unique().to_pylist()) - {FEATURE_SET_VERSION}:
        raise dg.Failure(
            f"price_features of these days were made by feature set {', '.join(sorted(other))}, here it is "
            f"{FEATURE_SET_VERSION}; materialize price_features of these days first"
        )
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


@dg.asset(
    group_name="features",
    deps=["feature_table"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="ml_features_materialized",
    kinds={"sql", "table"},
    owners=OWNERS,
    tags={"domain": "features"},
    metadata={"dagster/column_schema": database_columns("ml_features_materialized")},
)
def ml_features_materialized(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """The newest row of the feature table a symbol, for serving. A row of another version, out of range, too old or
    otherwise not to be believed leaves the old one where it is and fails the run; a newer one that is there stays, as
    the live predictor writes them each minute."""
    stored_days = platform.lake.days(FEATURE_TABLE)
    if not stored_days:
        raise dg.Failure("feature_table is empty; materialize it before its newest rows")
    newest = newest_rows(platform.lake.read(FEATURE_TABLE, utc(stored_days[-1]) - DAY))
    found = rows_to_serve(newest, now=datetime.now(UTC), within=SERVED_WITHIN, written_by="asset")
    written = write_serving_rows(platform.engine, found.rows)
    if found.refused:
        raise dg.Failure(f"not replaced: {dict(found.refused)}")
    context.add_output_metadata(
        {
            "dagster/row_count": len(read_serving_rows(platform.engine)),
            "written": written.written,
            "newer ones there": list(written.newer_there),
            "preview": preview(found.rows.drop(columns="features")),
            "feature set": FEATURE_SET_VERSION,
        }
    )


def _null_share(table: pa.Table) -> dict[str, float]:
    shares = {name: table[name].null_count / table.num_rows for name in table.column_names}
    return {name: round(share, 4) for name, share in shares.items() if share > 0}
