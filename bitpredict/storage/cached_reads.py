"""What pages read again and again, from the cache where it is there: the database is not even opened then."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

import pandas as pd
import pyarrow as pa
from sqlalchemy import Engine

from bitpredict.market.time import utc
from bitpredict.storage.cache import Cache, Codec
from bitpredict.storage.market_table import newest_quotes
from bitpredict.storage.news_table import read_feeds, read_headlines

PRICE, NEWS = "price", "news"
"""Namespaces; who writes quotes or articles invalidates them."""


class CachedReads:
    """The reads of `market_table` and `news_table` that are repeated.

    Args:
        opened: opens the database for the time of a read.
    """

    def __init__(self, cache: Cache, opened: Callable[[], AbstractContextManager[Engine]]) -> None:
        self._cache = cache
        self._opened = opened

    def newest_quotes(self) -> pd.DataFrame:
        """As `market_table.newest_quotes`."""
        return self._read(PRICE, "newest quotes", newest_quotes)

    def headlines(self, start: datetime) -> pd.DataFrame:
        """As `news_table.read_headlines`. What is kept begins at a full hour, since `start` mostly moves with time."""
        hour = utc(start).replace(minute=0, second=0, microsecond=0)
        rows = self._read(NEWS, f"headlines {hour.isoformat()}", lambda engine: read_headlines(engine, hour))
        return rows[rows["first_seen_at"] >= start].reset_index(drop=True)

    def feeds(self) -> pd.DataFrame:
        """As `news_table.read_feeds`."""
        return self._read(NEWS, "feeds", read_feeds)

    def _read(self, namespace: str, key: str, read: Callable[[Engine], pd.DataFrame]) -> pd.DataFrame:
        def compute() -> pd.DataFrame:
            with self._opened() as engine:
                return read(engine)

        return self._cache.value(namespace, key, compute, FRAMES)


def _encode(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _decode(stored: bytes) -> pd.DataFrame:
    try:
        table = pa.ipc.open_stream(stored).read_all()
    except OSError as error:
        raise ValueError(f"cut off: {error}") from error
    frame: pd.DataFrame = table.to_pandas(use_threads=False)  # other threads would take longer to ask than to wait for
    return frame


FRAMES = Codec(_encode, _decode)
"""Frames as Arrow's stream: types stay, nothing in it can run."""
