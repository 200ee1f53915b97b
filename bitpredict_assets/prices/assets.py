"""One-minute candles: as received, canonical, and the ledger of what is missing."""

from datetime import UTC, datetime

import dagster as dg
import pandas as pd
import pyarrow as pa

from bitpredict.market.candles import canonical
from bitpredict.market.recollected import recollected
from bitpredict.market.second_source import copied_from
from bitpredict.masking import masked
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES, CRYPTOCOMPARE_CANDLES
from bitpredict.storage.gap_ledger import read_gaps, reconcile
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
from bitpredict_assets.freshness import late
from bitpredict_assets.partitions import daily
from bitpredict_assets.prices.missing import missing_minutes, over_by_now, repair
from bitpredict_assets.resources import Platform

GAP_SOURCE = "binance"


@dg.asset(
    group_name="prices",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="binance_candles",
    kinds={"deltalake", "binance"},
    owners=OWNERS,
    tags={"domain": "prices", "layer": "raw"},
    freshness_policy=late,
    metadata={"dagster/column_schema": lake_columns(BINANCE_CANDLES)},
    io_manager_key="lake",
)
def binance_candles(context: dg.AssetExecutionContext, platform: Platform) -> pa.Table:
    """One-minute candles as the source published them, each row checked; what failed is counted, not mended."""
    from bitpredict.sources.candles import collect

    window = context.partition_time_window
    collected = collect(
        platform.source,
        platform.settings.symbols,
        window.start,
        window.end,
        on_day=lambda symbol, day: context.log.debug(f"{symbol} {day} collected"),
    )
    if collected.not_yet_published and collected.candles.num_rows == 0:
        # A run that found no day at all because none is published yet: its partitions must not look made.
        waiting = ", ".join(f"{symbol} {day}" for symbol, day in sorted(collected.not_yet_published))
        raise dg.Failure(f"not published yet: {waiting}; materialize these partitions again later")
    table = recollected(
        platform.lake.read(BINANCE_CANDLES, window.start, window.end),
        BINANCE_CANDLES.conform(collected.candles),
        platform.settings.symbols,
        collected.not_yet_published,
    )
    count_rows_by_day(context, table["open_time"])
    show(context, {"preview": last_rows(table)})
    context.add_output_metadata(
        {
            **summary(table, BINANCE_CANDLES),
            "market": platform.settings.market,
            "rejected rows": dict(collected.rejected),
            "days not there": [f"{symbol} {day}: {why}" for symbol, day, why in collected.missing],
        }
    )
    return table


@dg.asset(
    group_name="prices",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="cryptocompare_candles",
    kinds={"deltalake", "cryptocompare"},
    owners=OWNERS,
    tags={"domain": "prices", "layer": "raw"},
    metadata={"dagster/column_schema": lake_columns(CRYPTOCOMPARE_CANDLES)},
    io_manager_key="lake",
)
def cryptocompare_candles(context: dg.AssetExecutionContext, platform: Platform) -> pa.Table:
    """The same market's minutes as CryptoCompare recorded them: those with trades, which repair what the exchange's own
    record lacks. Days that it does not answer about keep what is stored and are named with the reason; no failure of
    this source holds the graph. Without a setting nobody is asked."""
    from bitpredict.sources.cryptocompare import SOURCE, CryptoCompare, ask_for_days, why_not

    window = context.partition_time_window
    stored = platform.lake.read(CRYPTOCOMPARE_CANDLES, window.start, window.end)
    if why := why_not(platform.settings):
        context.log.info(f"skipped: {why}")
        context.add_output_metadata({"skipped": why})
        count_rows_by_day(context, stored["open_time"])
        return stored
    source = CryptoCompare.from_settings(platform.settings, platform.raw.keeper(SOURCE))
    asked = ask_for_days(source, platform.settings.symbols, window.start, window.end)
    told = asked.candles.select(CRYPTOCOMPARE_CANDLES.schema.names)
    table = recollected(stored, CRYPTOCOMPARE_CANDLES.conform(told), platform.settings.symbols, asked.unanswered.keys())
    for why in dict.fromkeys(asked.unanswered.values()):
        context.log.warning(why)
    count_rows_by_day(context, table["open_time"])
    show(context, {"preview": last_rows(table)})
    context.add_output_metadata(
        {
            **summary(table, CRYPTOCOMPARE_CANDLES),
            "source": f"{SOURCE}, {masked(platform.settings.cryptocompare)}",
            "rejected minutes": dict(asked.rejected),
            "days not answered": [f"{symbol} {day}: {why}" for (symbol, day), why in asked.unanswered.items()],
        }
    )
    return table


@dg.asset(
    group_name="prices",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="candles",
    kinds={"deltalake", "table"},
    owners=OWNERS,
    tags={"domain": "prices", "layer": "canonical"},
    freshness_policy=late,
    metadata={"dagster/column_schema": lake_columns(CANDLES)},
    io_manager_key="lake",
)
def candles(
    context: dg.AssetExecutionContext, platform: Platform, binance_candles: pa.Table, cryptocompare_candles: pa.Table
) -> pa.Table:
    """The canonical candles: each minute once, halts flagged. A missing minute is missing, or copied from the second
    source with a provenance that says so; one that the exchange has is never replaced, and replaces the copy."""
    window = context.partition_time_window
    observed = canonical(binance_candles)
    table = repair(platform, observed, cryptocompare_candles, window.start, window.end)
    described, shown = summary(table, CANDLES), {"preview": last_rows(table)}
    if table.num_rows:
        described["halted minutes"] = int(pa.compute.sum(table["halted"].cast(pa.int64())).as_py())
        described["repaired minutes"] = table.num_rows - observed.num_rows
        described["provenance"] = sorted(set(table["provenance"].to_pylist()))
        shown["close by symbol"] = _close_plot(table)
    show(context, shown)
    count_rows_by_day(context, table["open_time"])
    context.add_output_metadata(described)
    return table


def _close_plot(table: pa.Table) -> dg.MarkdownMetadataValue:
    frame = table.select(["symbol", "open_time", "close"]).to_pandas()
    closes = {str(symbol): rows.set_index("open_time")["close"] for symbol, rows in frame.groupby("symbol")}
    return line_plot({f"{s} / its first": c / c.iloc[0] for s, c in closes.items()}, "relative price")


@dg.asset(
    group_name="prices",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="data_gaps",
    kinds={"sql", "table"},
    owners=OWNERS,
    tags={"domain": "prices", "layer": "quality"},
    metadata={"dagster/column_schema": database_columns("data_gaps")},
    ins={"candles": dg.AssetIn(metadata={"columns": ["symbol", "open_time", "provenance"]})},
)
def data_gaps(context: dg.AssetExecutionContext, platform: Platform, candles: pa.Table) -> None:
    """The ledger of missing minutes: what ought to be there since a symbol's first candle and is not, or is there from
    a second source alone."""
    window = context.partition_time_window
    now = datetime.now(UTC)
    end = over_by_now(window.end)
    missing: dict[str, int] = {}
    filled: dict[str, int] = {}
    for symbol in platform.settings.symbols:
        gaps = missing_minutes(platform.lake, candles, symbol, window.start, end)
        copied = copied_from(candles, symbol)
        end_of_range = max(end, window.start)
        reconcile(platform.engine, symbol, GAP_SOURCE, window.start, end_of_range, gaps, filled=copied, now=now)
        missing[symbol] = sum(gap.minutes for gap in gaps)
        filled[symbol] = sum(run.minutes for runs in copied.values() for run in runs)
    ledger: pd.DataFrame = read_gaps(platform.engine)
    show(context, {"preview": preview(ledger)})
    context.add_output_metadata(
        {
            "rows in the ledger": len(ledger),
            "missing minutes of these days": missing,
            "repaired minutes of these days": filled,
            "open gaps in all": int((ledger["status"] == "open").sum()),
        }
    )
