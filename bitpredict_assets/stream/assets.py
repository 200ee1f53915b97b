"""The live lane's trades as a lake table, exactly once; its forecasts, which a sensor reports."""

from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa
from pydantic import Field

from bitpredict.storage.contracts import STREAMED_TRADES
from bitpredict_assets.describe import (
    OWNERS,
    count_rows_by_day,
    database_columns,
    lake_columns,
    last_rows,
    show,
    summary,
)
from bitpredict_assets.partitions import streamed
from bitpredict_assets.resources import Platform


class OffsetRange(dg.Config):
    """Offsets [start, end) of one partition of a topic, as long as the topic is the one of that incarnation."""

    topic: str
    incarnation: str
    partition: int
    start: int
    end: int


class Offsets(dg.Config):
    """What a run reads. Without any range it reads all that the log still has, as a run by hand does."""

    ranges: list[OffsetRange] = Field(default_factory=list)


@dg.asset(
    group_name="stream",
    partitions_def=streamed,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="streamed_trades",
    kinds={"deltalake", "kafka"},
    owners=OWNERS,
    tags={"domain": "stream", "layer": "raw"},
    metadata={"dagster/column_schema": lake_columns(STREAMED_TRADES)},
    io_manager_key="lake",
)
def streamed_trades(context: dg.AssetExecutionContext, config: Offsets, platform: Platform) -> pa.Table:
    """Every trade of the live lane once, with the offset of its message: a run reads exactly the ranges it is given and
    adds the trades of its days to those already there, so that doing it twice changes nothing. Candles and features
    of these days follow by the `today` schedule, where the market's calendar has them."""
    from bitpredict.streaming.open_log import open_event_log
    from bitpredict.streaming.ranges import Range
    from bitpredict.streaming.taking import everything, take
    from bitpredict.streaming.topics import live_exchanges, trades_topic
    from bitpredict.streaming.trade_table import latest_prices, merged

    window = context.partition_time_window
    ranges = [(each.incarnation, Range(each.topic, each.partition, each.start, each.end)) for each in config.ranges]
    with open_event_log(platform.settings) as log:
        wanted = ranges or everything(log, [trades_topic(each) for each in live_exchanges(platform.settings)])
        taken = take(log, platform.engine, wanted, window.start, window.end, now=datetime.now(UTC))
    before = platform.lake.read(STREAMED_TRADES, window.start, window.end)
    table = merged(before, taken.trades.table)
    count_rows_by_day(context, table["event_time"])
    show(context, {"preview": last_rows(taken.trades.table)})
    context.add_output_metadata(
        {
            **summary(table, STREAMED_TRADES),
            "offsets": [f"{each}" for each in taken.ranges],
            "messages": taken.trades.messages,
            "trades": taken.trades.table.num_rows,
            "new trades": table.num_rows - before.num_rows,
            "trades of other days": taken.trades.elsewhere,
            "undecodable messages": taken.trades.undecodable,
            "lost offsets": [f"{each}" for each in taken.lost],
            "latest": latest_prices(taken.trades.table),
        }
    )
    return table


live_forecasts = dg.AssetSpec(
    "live_forecasts",
    group_name="forecasts",
    partitions_def=streamed,
    description=(
        "Forecasts of the predictor, a day of origins a partition. No run makes them: the predictor writes the ledger "
        "and the topic `predictions`, and a sensor reports here what it finds in that topic."
    ),
    kinds={"sql", "kafka"},
    owners=OWNERS,
    tags={"domain": "forecasts"},
    metadata={"dagster/column_schema": database_columns("forecasts")},
)
