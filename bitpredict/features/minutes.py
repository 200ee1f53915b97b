"""One symbol's candles on a complete grid of minutes, with what is missing left missing."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.errors import ContractError
from bitpredict.features.windows import Floats
from bitpredict.market.time import to_numpy
from bitpredict.storage.contracts import TIMESTAMP

Bools = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]

PROVENANCES = ("observed", "repaired", "simulated")
"""Where candles came from, the most trusted first."""

_MINUTE = np.timedelta64(60_000_000, "us")
_NUMBERS = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume")


@dataclass(frozen=True, eq=False)
class MinuteGrid:
    """Every minute of a range as arrays of one length n; numbers are NaN where the minute has no candle.

    Attributes:
        symbol: whose candles.
        open_time: (n,) the minutes, without a break.
        open, high, low, close: (n,) quote currency.
        volume, taker_buy_volume: (n,) base currency.
        quote_volume: (n,) quote currency.
        trade_count: (n,) trades; as taker_buy_volume NaN too in a repaired minute of a source that tells neither.
        present: (n,) the minute has a candle.
        halted: (n,) it has one, but the exchange stood still: its price is no observation.
        known_at: (n,) when the candle could first have been used; NaT where there is none.
        provenance: (n,) index into PROVENANCES; 0 where there is no candle.
    """

    symbol: str
    open_time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    quote_volume: Floats
    trade_count: Floats
    taker_buy_volume: Floats
    present: Bools
    halted: Bools
    known_at: Times
    provenance: npt.NDArray[np.int8]

    @classmethod
    def from_candles(cls, candles: pa.Table, symbol: str, start: datetime, end: datetime) -> "MinuteGrid":
        """Lay one symbol's candles of [start, end) on their minutes; other symbols and times are left out.

        Args:
            candles: `storage.contracts.CANDLES`, in any order.

        Raises:
            ContractError: a candle does not start on a full minute, or its provenance is none of the known ones.
        """
        first = to_numpy(start)
        open_time = np.arange(first, to_numpy(end), _MINUTE)
        rows = _select(candles, symbol, start, end)
        offset = _instants(rows["open_time"]) - first
        if (ragged := offset % _MINUTE != np.timedelta64(0, "us")).any():
            raise ContractError(f"a candle of {symbol} starts at {(offset[ragged] + first)[0]}, not on a full minute")
        place = (offset // _MINUTE).astype(np.intp)

        def spread(values: npt.NDArray[np.generic], missing: object) -> npt.NDArray[np.generic]:
            grid = np.full(open_time.size, missing, values.dtype)
            grid[place] = values
            return grid

        numbers = {name: spread(rows[name].cast(pa.float64()).to_numpy(), np.nan) for name in _NUMBERS}
        return cls(
            symbol=symbol,
            open_time=open_time,
            present=spread(np.ones(rows.num_rows, bool), False),  # type: ignore[arg-type]
            halted=spread(rows["halted"].to_numpy(), False),  # type: ignore[arg-type]
            known_at=spread(_instants(rows["known_at"]), np.datetime64("NaT", "us")),  # type: ignore[arg-type]
            provenance=spread(trust(rows["provenance"], "candles"), 0),  # type: ignore[arg-type]
            **numbers,  # type: ignore[arg-type]
        )

    @cached_property
    def observed(self) -> Bools:
        """(n,) minutes with a candle while the exchange traded."""
        return self.present & ~self.halted

    @cached_property
    def log_return(self) -> Floats:
        """(n,) `ln(close / previous minute's close)`; NaN unless both minutes are observed, and at the first."""
        returns = np.full(self.close.size, np.nan)
        logs = np.log(self.close)
        valid = self.observed[1:] & self.observed[:-1]
        returns[1:][valid] = (logs[1:] - logs[:-1])[valid]
        return returns


def _select(candles: pa.Table, symbol: str, start: datetime, end: datetime) -> pa.Table:
    open_time = candles["open_time"]
    inside = pc.and_(pc.greater_equal(open_time, pa.scalar(start)), pc.less(open_time, pa.scalar(end)))
    return candles.filter(pc.and_(inside, pc.equal(candles["symbol"], symbol)))


def _instants(column: pa.ChunkedArray) -> Times:
    moments: Times = column.cast(TIMESTAMP).cast(pa.int64()).to_numpy().view("datetime64[us]")
    return moments


def trust(provenance: pa.ChunkedArray, of: str) -> npt.NDArray[np.int8]:
    """(n,) index into PROVENANCES, whatever follows a colon. Raises ContractError: one is unknown."""
    encoded = provenance.combine_chunks().dictionary_encode()
    kinds = [name.partition(":")[0] for name in encoded.dictionary.to_pylist()]
    if unknown := sorted(set(kinds) - set(PROVENANCES)):
        raise ContractError(f"{of} have the provenance {unknown[0]!r}; known are {', '.join(PROVENANCES)}")
    codes = np.array([PROVENANCES.index(kind) for kind in kinds], np.int8)
    found: npt.NDArray[np.int8] = codes[encoded.indices.to_numpy()]
    return found
