"""What each lake table must look like, whoever writes it: columns, types, units, meaning, key and day."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.errors import ContractError

TIMESTAMP = pa.timestamp("us", tz="UTC")


def field(name: str, type_: pa.DataType, meaning: str, unit: str = "", *, nullable: bool = False) -> "pa.Field[Any]":
    """A column with its meaning and unit, which Dagster and the docs show."""
    return pa.field(name, type_, nullable=nullable, metadata={"meaning": meaning, "unit": unit})


@dataclass(frozen=True)
class Contract:
    """One lake table.

    Attributes:
        table: its name, also the folder's.
        schema: columns with types; nullability is enforced.
        key: columns that together name a row once.
        time: the timestamp column whose UTC day is the row's partition.
        positive: columns that must be above zero where not null.
        description: one line for people.
    """

    table: str
    schema: pa.Schema
    key: tuple[str, ...]
    time: str
    description: str
    positive: tuple[str, ...] = ()

    def empty(self) -> pa.Table:
        return self.schema.empty_table()

    def conform(self, table: pa.Table) -> pa.Table:
        """Return `table` with exactly the contract's columns and types, ordered by time and key.

        Raises:
            ContractError: a column is missing, a value cannot be cast, is null, not finite or not positive where it
                must be, or a key appears twice. The message names the column, the count and the first bad row.
        """
        there = set(table.column_names)
        missing = [name for name in self.schema.names if name not in there]
        if missing:
            raise ContractError(f"{self.table} lacks the columns {missing}; it has {table.column_names}")
        table = table.select(self.schema.names)
        for column in self.schema:
            if not column.nullable and (nulls := table[column.name].null_count):
                raise ContractError(f"{self.table}.{column.name} is null in {nulls} of {table.num_rows} rows")
        try:
            table = table.cast(self.schema)
        except (pa.ArrowInvalid, ValueError) as error:
            raise ContractError(f"{self.table}: {error}") from error
        for column in self.schema:
            self._check_column(table, column)
        self._check_key(table)
        order = [self.time, *(name for name in self.key if name != self.time)]
        return table.sort_by([(name, "ascending") for name in order]).combine_chunks()

    def _check_column(self, table: pa.Table, column: "pa.Field[Any]") -> None:
        values = table[column.name]
        if pa.types.is_floating(column.type):
            self._refuse(table, pc.invert(pc.is_finite(values)), f"{column.name} is not finite")
        if column.name in self.positive:
            self._refuse(table, pc.less_equal(values, 0), f"{column.name} is not above zero")

    def _check_key(self, table: pa.Table) -> None:
        counts = table.group_by(list(self.key)).aggregate([([], "count_all")])
        twice = counts.filter(pc.greater(counts["count_all"], 1))
        if twice.num_rows:
            first = twice.slice(0, 1).to_pylist()[0]
            raise ContractError(f"{self.table} has {twice.num_rows} keys more than once, the first is {first}")

    def _refuse(self, table: pa.Table, bad: pa.ChunkedArray, what: str) -> None:
        if pc.any(bad).as_py():
            rows = table.filter(pc.fill_null(bad, False))
            first = rows.slice(0, 1).to_pylist()[0]
            raise ContractError(
                f"{self.table}.{what} in {rows.num_rows} of {table.num_rows} rows, the first is {first}"
            )


_PRICES_AND_AMOUNTS = [
    field("symbol", pa.string(), "trading pair, base then quote"),
    field("open_time", TIMESTAMP, "start of the minute", "UTC"),
    field("open", pa.float64(), "first price", "quote currency"),
    field("high", pa.float64(), "highest price", "quote currency"),
    field("low", pa.float64(), "lowest price", "quote currency"),
    field("close", pa.float64(), "last price", "quote currency"),
    field("volume", pa.float64(), "amount traded", "base currency"),
    field("quote_volume", pa.float64(), "amount traded", "quote currency"),
]
_KLINE = [
    *_PRICES_AND_AMOUNTS,
    field("trade_count", pa.int64(), "number of trades", "trades"),
    field("taker_buy_volume", pa.float64(), "amount bought by takers", "base currency"),
]
_UNTOLD = "; null in a repaired minute of a source that does not tell"
_PROVENANCE = field("provenance", pa.string(), "where the row came from: observed, repaired:<source> or simulated")
_KNOWN_AT = field("known_at", TIMESTAMP, "when the row could first have been used", "UTC")
_PRICES = ("open", "high", "low", "close")

BINANCE_CANDLES = Contract(
    table="binance_candles",
    schema=pa.schema([*_KLINE, _PROVENANCE, _KNOWN_AT]),
    key=("symbol", "open_time"),
    time="open_time",
    positive=_PRICES,
    description="One-minute candles as Binance published them (or as the simulator made them).",
)

CRYPTOCOMPARE_CANDLES = Contract(
    table="cryptocompare_candles",
    schema=pa.schema([*_PRICES_AND_AMOUNTS, _PROVENANCE, _KNOWN_AT]),
    key=("symbol", "open_time"),
    time="open_time",
    positive=(*_PRICES, "volume", "quote_volume"),
    description="Binance's one-minute candles as CryptoCompare recorded them, which does not count trades.",
)

CANDLES = Contract(
    table="candles",
    schema=pa.schema(
        [
            *_PRICES_AND_AMOUNTS,
            field("trade_count", pa.int64(), f"number of trades{_UNTOLD}", "trades", nullable=True),
            field(
                "taker_buy_volume", pa.float64(), f"amount bought by takers{_UNTOLD}", "base currency", nullable=True
            ),
            _PROVENANCE,
            field(
                "halted", pa.bool_(), "no trade in any collected symbol of the exchange: its price is no observation"
            ),
            _KNOWN_AT,
        ]
    ),
    key=("symbol", "open_time"),
    time="open_time",
    positive=_PRICES,
    description="The canonical one-minute candles: validated, each minute once, missing minutes missing.",
)

STREAMED_TRADES = Contract(
    table="streamed_trades",
    schema=pa.schema(
        [
            field("exchange", pa.string(), "where it was traded"),
            field("symbol", pa.string(), "trading pair, base then quote"),
            field("trade_id", pa.string(), "the exchange's; of a feed without ids, made from its sequence"),
            field("price", pa.float64(), "price paid", "quote currency"),
            field("size", pa.float64(), "amount traded; 0 where the feed tells none", "base currency"),
            field("side", pa.string(), "of the taker: buy, sell or unknown"),
            field("event_time", TIMESTAMP, "when the exchange says it was", "UTC"),
            field("received_at", TIMESTAMP, "when we had it", "UTC"),
            field("sequence", pa.int64(), "the feed's own number, where it counts", nullable=True),
            field("provenance", pa.string(), "observed or simulated"),
            field("replayed", pa.bool_(), "read from a recording, in market time"),
            field("topic", pa.string(), "of the event log that it was read from"),
            field("partition", pa.int32(), "of the topic"),
            field("offset", pa.int64(), "of the message in the partition"),
        ]
    ),
    key=("exchange", "symbol", "trade_id"),
    time="event_time",
    positive=("price",),
    description="Every trade of the live lane's topics, once, with the place of its message.",
)

HOURLY_SENTIMENT = Contract(
    table="hourly_sentiment",
    schema=pa.schema(
        [
            field("hour", TIMESTAMP, "full hour; the row holds what was known then of the 24 hours before", "UTC"),
            field("source", pa.string(), "feed that told it; all: every story once, by whom it was told first"),
            field("coin", pa.string(), "symbol of a coin that is mentioned, in capitals; all: whatever is"),
            field("articles", pa.int64(), "number of articles", "articles"),
            field("mean", pa.float64(), "mean of their scores", "from -1 to 1"),
            field("dispersion", pa.float64(), "sample deviation of the scores; null of one article", nullable=True),
            field("share_negative", pa.float64(), "share of articles that are negative", "from 0 to 1"),
            field("model", pa.string(), "that judged most of them"),
            _PROVENANCE,
            _KNOWN_AT,
        ]
    ),
    key=("hour", "source", "coin"),
    time="hour",
    positive=("articles",),
    description="What the news of a day said, as it was known at each full hour, by feed and by coin.",
)
