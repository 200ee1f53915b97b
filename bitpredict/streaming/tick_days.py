"""Tick models of a day: what `streamed_trades` has of it, symbol by symbol."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.errors import ModelError
from bitpredict.streaming.messages import Trade
from bitpredict.streaming.tick_training import TickTraining, train_tick_model

COLUMNS = (
    *("exchange", "symbol", "trade_id", "price", "size", "side", "event_time", "received_at", "provenance"),
    *("replayed", "partition", "offset"),
)
"""Of `STREAMED_TRADES` that are read."""
MOST_TRADES = 500_000
"""Of a symbol's day the newest so many are used: about 450 MB while it is trained."""


@dataclass(frozen=True, eq=False)
class TickDay:
    """What came of a day.

    Attributes:
        trained: by symbol.
        untrained: symbol, or the market's exchanges, and why.
        trades: how many were used, by symbol.
        unused: of exchanges that are not the market's, or before the newest `MOST_TRADES`.
    """

    trained: Mapping[str, TickTraining]
    untrained: Mapping[str, str]
    trades: Mapping[str, int]
    unused: int


def train_day(rows: pa.Table, exchanges: Collection[str], tick_window: int) -> TickDay:
    """Train every symbol of the market's exchanges on a day's rows (the `COLUMNS` of `STREAMED_TRADES`)."""
    trained, untrained, used = {}, {}, {}
    for symbol, trades in by_symbol(rows, exchanges):
        used[symbol] = len(trades)
        try:
            trained[symbol] = train_tick_model(symbol, trades, tick_window)
        except ModelError as error:
            untrained[symbol] = str(error)
    if not used:
        untrained[", ".join(exchanges) or "the market"] = "streamed_trades has none of its trades that day"
    return TickDay(trained, untrained, used, rows.num_rows - sum(used.values()))


def by_symbol(rows: pa.Table, exchanges: Collection[str]) -> Iterator[tuple[str, list[Trade]]]:
    """Symbols of the market's exchanges with their trades, one after the other, since a day's are many."""
    of_market = rows.filter(pc.is_in(rows["exchange"], value_set=pa.array(sorted(exchanges), pa.string())))
    for symbol in sorted(of_market["symbol"].unique().to_pylist()):
        yield symbol, trades_of(of_market, symbol)


def trades_of(rows: pa.Table, symbol: str) -> list[Trade]:
    """A symbol's trades in order of time (of arrival, where that is equal), the newest `MOST_TRADES` of them."""
    own = rows.filter(pc.equal(rows["symbol"], symbol))
    own = own.sort_by([(name, "ascending") for name in ("event_time", "partition", "offset")])
    own = own.slice(max(0, own.num_rows - MOST_TRADES)).drop_columns(["partition", "offset"])
    return [Trade(**row) for batch in own.to_batches(max_chunksize=10_000) for row in batch.to_pylist()]
