"""Trades of the log's messages as rows of `streamed_trades`, and how they join the rows that a day already has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.errors import MessageError
from bitpredict.storage.contracts import STREAMED_TRADES
from bitpredict.streaming.credible import fault_of_trade
from bitpredict.streaming.log import Record
from bitpredict.streaming.messages import Trade, decode_trade
from bitpredict.streaming.topics import exchange_of

FIRST = ("received_at", "topic", "partition", "offset")
"""Of several messages of one trade the first in this order is its row, whichever was read first."""


@dataclass(frozen=True)
class Trades:
    """What messages came to.

    Attributes:
        table: columns of `STREAMED_TRADES`; a trade that came twice is there twice.
        elsewhere: trades whose day is another one.
        undecodable: messages that are no trade, or one that the predictor refuses too (`credible`).
    """

    table: pa.Table
    elsewhere: int
    undecodable: int

    @property
    def messages(self) -> int:
        return int(self.table.num_rows) + self.elsewhere + self.undecodable


def trades_table(pages: Iterable[tuple[str, int, Sequence[Record]]], start: datetime, end: datetime) -> Trades:
    """The trades of [start, end) among the messages of `pages` (topic, partition, messages)."""
    rows: list[tuple[object, ...]] = []
    elsewhere = undecodable = 0
    for topic, partition, records in pages:
        exchange = exchange_of(topic)
        for record in records:
            trade = _usable(record.value, exchange)
            if trade is None:
                undecodable += 1
            elif start <= trade.event_time < end:
                rows.append(_row(trade, topic, partition, record.offset))
            else:
                elsewhere += 1
    columns = zip(*rows, strict=True) if rows else ([] for _ in STREAMED_TRADES.schema)
    arrays = [pa.array(values, column.type) for values, column in zip(columns, STREAMED_TRADES.schema, strict=True)]
    return Trades(pa.Table.from_arrays(arrays, schema=STREAMED_TRADES.schema), elsewhere, undecodable)


def _usable(value: bytes, exchange: str) -> Trade | None:
    try:
        trade = decode_trade(value)
    except MessageError:
        return None
    return None if fault_of_trade(trade, exchange) else trade


def merged(stored: pa.Table, new: pa.Table) -> pa.Table:
    """Rows of both, each key once: the same table in whatever order and however often parts of it come."""
    keys = list(STREAMED_TRADES.key)
    # Only rows whose trade_id is among the new ones can meet them; a day's others are left alone.
    meeting = pc.is_in(stored["trade_id"], value_set=new["trade_id"].combine_chunks())
    candidates = pa.concat_tables([stored.filter(meeting), new])
    ordered = candidates.sort_by([(name, "ascending") for name in (*keys, *FIRST)])
    once = ordered.append_column("place", pa.array(np.arange(ordered.num_rows)))
    firsts = once.group_by(keys).aggregate([("place", "min")])["place_min"]
    return pa.concat_tables([stored.filter(pc.invert(meeting)), ordered.take(firsts)])


def _row(trade: Trade, topic: str, partition: int, offset: int) -> tuple[object, ...]:
    return (
        trade.exchange,
        trade.symbol,
        trade.trade_id,
        trade.price,
        trade.size,
        trade.side,
        trade.event_time,
        trade.received_at,
        trade.sequence,
        trade.provenance,
        trade.replayed,
        topic,
        partition,
        offset,
    )


def latest_prices(table: pa.Table) -> dict[str, str]:
    """Of each exchange and symbol the last trade by event_time, in words."""
    ordered = table.sort_by([("event_time", "ascending"), ("offset", "ascending")])
    last = ordered.group_by(["exchange", "symbol"], use_threads=False).aggregate(
        [("price", "last"), ("event_time", "last")]
    )
    return {
        f"{row['exchange']} {row['symbol']}": f"{row['price_last']} at {row['event_time_last'].isoformat()}"
        for row in last.to_pylist()
    }
