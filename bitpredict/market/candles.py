"""One-minute candles: what a row must look like to be believed, and which minutes were no observation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bitpredict.market.time import to_numpy

TIMESTAMP = pa.timestamp("us", tz="UTC")
CANDLE_SCHEMA = pa.schema(
    [
        ("symbol", pa.string()),
        ("open_time", TIMESTAMP),
        ("open", pa.float64()),
        ("high", pa.float64()),
        ("low", pa.float64()),
        ("close", pa.float64()),
        ("volume", pa.float64()),
        ("quote_volume", pa.float64()),
        ("trade_count", pa.int64()),
        ("taker_buy_volume", pa.float64()),
        ("provenance", pa.string()),
        ("known_at", TIMESTAMP),
    ]
)
"""Columns of a candle as a source delivers it; units and meanings stand in the lake's contract."""

ABSURD_FACTOR = 10.0
"""A high or low this many times above or below the median close of its UTC day is an error, not a price: the deepest
wicks on record of liquid pairs stay below a factor of 9."""

_PRICES = ("open", "high", "low", "close")
_AMOUNTS = ("volume", "quote_volume", "trade_count", "taker_buy_volume")

_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CandleBatch:
    """Candles that were kept, in order of time, and how many rows were not, by reason.

    Attributes:
        candles: columns of `CANDLE_SCHEMA`, one symbol, each minute once.
        rejected: reason -> rows; kept and rejected rows together are the rows that came in.
    """

    candles: pa.Table
    rejected: Mapping[str, int]


def clean(rows: pa.Table, symbol: str, start: datetime, end: datetime) -> CandleBatch:
    """Keep the rows of [start, end) that can be believed, count the others by the first reason that fits.

    A minute told twice in the same way is kept once (as it was first known); told in two ways it is told in none: both
    are rejected and the minute stays missing. The result depends neither on the order of the rows nor on how a range is
    cut into whole days, and cleaning it again changes nothing.

    Args:
        rows: columns of `CANDLE_SCHEMA`, nulls allowed; `symbol` may be left out.
    """
    time = rows["open_time"].to_numpy()
    values = {name: rows[name].to_numpy().astype(np.float64) for name in (*_PRICES, *_AMOUNTS)}
    reasons = np.full(rows.num_rows, "", dtype=object)

    def reject(reason: str, bad: _Flags | np.bool_) -> None:
        reasons[bad & (reasons == "")] = reason

    if "symbol" in rows.column_names:
        reject("another symbol", np.array([name != symbol for name in rows["symbol"].to_pylist()], dtype=np.bool_))
    reject("no time", np.isnat(time) | rows["known_at"].is_null().to_numpy())
    reject("not on a full minute", time != time.astype("datetime64[m]"))
    reject("outside the range", (time < to_numpy(start)) | (time >= to_numpy(end)))
    reject("missing or not finite", ~np.isfinite(np.array(list(values.values()))).all(axis=0))
    reject("price not above zero", (np.array([values[name] for name in _PRICES]) <= 0).any(axis=0))
    reject("amount below zero", (np.array([values[name] for name in _AMOUNTS]) < 0).any(axis=0))
    reject("high below low", values["high"] < values["low"])
    for name in ("open", "close"):
        outside = (values[name] < values["low"]) | (values[name] > values["high"])
        reject("open or close outside low and high", outside)

    _mark_repeats(rows, time, values, reasons)
    left = np.flatnonzero(reasons == "")
    absurd = _absurd(time[left].astype("datetime64[D]"), *(values[name][left] for name in ("high", "low", "close")))
    reasons[left[absurd]] = "absurd price"

    kept = np.flatnonzero(reasons == "")
    kept = kept[np.argsort(time[kept])]
    candles = rows.take(pa.array(kept))
    columns = [candles[name] if name != "symbol" else pa.repeat(symbol, len(kept)) for name in CANDLE_SCHEMA.names]
    names, counts = np.unique(reasons[reasons != ""].astype(str), return_counts=True)
    return CandleBatch(
        pa.table(columns, names=CANDLE_SCHEMA.names).cast(CANDLE_SCHEMA).combine_chunks(),
        dict(zip(names.tolist(), counts.tolist(), strict=True)),
    )


def mark_halts(candles: pa.Table) -> pa.Table:
    """Add `halted`: in that minute none of the table's symbols traded, so that their prices are no observations.

    Only the minute itself is looked at, so that a live row is flagged as the archive's row will be.
    """
    minutes, minute = np.unique(candles["open_time"].to_numpy(), return_inverse=True)
    trades = np.bincount(minute, weights=candles["trade_count"].to_numpy(), minlength=minutes.size)
    return candles.append_column("halted", pa.array(trades[minute] == 0, pa.bool_()))


def canonical(candles: pa.Table) -> pa.Table:
    """Candles of a source as the platform's own: halts marked, ordered by time and symbol."""
    marked = mark_halts(candles.select(CANDLE_SCHEMA.names))
    columns = [name for name in marked.column_names if name not in ("halted", "known_at")]
    ordered = marked.sort_by([("open_time", "ascending"), ("symbol", "ascending")])
    return ordered.select([*columns, "halted", "known_at"]).combine_chunks()


def _mark_repeats(
    rows: pa.Table, time: npt.NDArray[np.datetime64], values: Mapping[str, _Floats], reasons: npt.NDArray[np.object_]
) -> None:
    left = np.flatnonzero(reasons == "")
    if np.unique(time[left]).size == left.size:
        return
    told = [*values.values(), rows["provenance"].combine_chunks().dictionary_encode().indices.to_numpy()]
    order = left[np.lexsort([rows["known_at"].to_numpy()[left], *(column[left] for column in told), time[left]])]
    minute = np.cumsum(np.diff(time[order], prepend=time[order][:1]) != np.timedelta64(0))
    same = np.array([np.diff(column[order], prepend=np.nan) == 0 for column in told]).all(axis=0)
    same &= np.diff(minute, prepend=-1) == 0
    ways = np.bincount(minute, weights=~same)
    reasons[order[same]] = "duplicate"
    reasons[order[(ways > 1)[minute]]] = "conflicting duplicate"


def _absurd(day: npt.NDArray[np.datetime64], high: _Floats, low: _Floats, close: _Floats) -> _Flags:
    """Rows too far from their day's median close, which is taken again until it no longer moves."""
    absurd = np.zeros(day.size, dtype=np.bool_)
    for one in np.unique(day):
        inside = day == one
        while inside.any():
            median = np.median(close[inside])
            far = inside & ((high > ABSURD_FACTOR * median) | (low < median / ABSURD_FACTOR))
            if not far.any():
                break
            absurd |= far
            inside &= ~far
    return absurd
