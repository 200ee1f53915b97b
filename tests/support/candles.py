"""Real candles straight from the archive's zips, in the canonical table's shape: the tests' own reading."""

import zipfile
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa

from bitpredict.storage.contracts import CANDLES

_COLUMNS = ["open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trade_count"]
_COLUMNS += ["taker_buy_volume", "taker_buy_quote_volume", "ignore"]


@cache
def archived_day(base: Path, symbol: str, day: date) -> pd.DataFrame:
    """One file, with an `open_time` in UTC; the file's milliseconds are taken as they are."""
    path = base / "data/spot/daily/klines" / symbol / "1m" / f"{symbol}-1m-{day}.zip"
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        frame = pd.read_csv(file, header=None, names=_COLUMNS)
    frame["open_time"] = pd.to_datetime(frame["open_time"], unit="ms", utc=True).astype("datetime64[us, UTC]")
    return frame.assign(symbol=symbol)


def archived_candles(base: Path, symbols: Iterable[str], start: date, end: date) -> pa.Table:
    """Canonical candles of [start, end): observed, known a minute after they start, halted where nothing traded."""
    days = pd.date_range(start, end, inclusive="left")
    frame = pd.concat([archived_day(base, symbol, day.date()) for symbol in symbols for day in days])
    trades = frame.groupby("open_time")["trade_count"].transform("sum")
    frame = frame.assign(
        provenance="observed", halted=trades == 0, known_at=frame["open_time"] + pd.Timedelta(minutes=1)
    )
    return CANDLES.conform(pa.Table.from_pandas(frame[CANDLES.schema.names], preserve_index=False))
