"""The newest stored minutes of the market, replayed: what a sample has in place of an exchange's feed."""

import threading
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa

from bitpredict.errors import MessageError, SettingsError
from bitpredict.market.time import DAY, MINUTE, utc
from bitpredict.settings import Settings
from bitpredict.sources.candles import choose_source, collect
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from bitpredict.streaming.appending import Appender
from bitpredict.streaming.binance import EXCHANGE
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.messages import Candle, decode_candle
from bitpredict.streaming.replay import Replay
from bitpredict.streaming.topics import candles_topic

_COLUMNS = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume")
_LOOKED_AT = 1000  # records before a partition's end, in which every symbol's newest candle is


class CandleReplay:
    """A worker that replays the last days of stored minutes, all symbols together, and goes on after a restart.

    It takes them from the lake, but for copies from a second source, or from the market's archive while the lake
    has none. Behind the last one it idles: history comes from the lake, so that the same minutes must not come again
    under other times.

    Args:
        days: how many whole days before the end of what is stored.
        speed: 60 makes a minute a second; None knows no gaps.
    """

    def __init__(self, settings: Settings, log: EventLog, days: int = 7, speed: float | None = 60.0) -> None:
        self._settings = settings
        self._log = log
        self._days = days
        self._speed = speed
        self._replay: Replay | None = None
        self._idle = False

    def run(self, stop: threading.Event) -> None:
        """Replay until `stop`. Raises SettingsError: there are no candles, in the lake or in the archive."""
        candles = stored_candles(self._settings, self._days)
        if not candles:
            raise SettingsError("there are no candles to replay; collect some, or choose BITPREDICT_MARKET=sample")
        newest = Appender(self._log).patiently(lambda: newest_replayed(self._log), stop)
        if newest is None:
            return
        fresh = [c for c in candles if c.symbol not in newest or c.open_time > newest[c.symbol]]
        self._replay = Replay(self._log, EXCHANGE, fresh, self._speed, loop=False)
        self._replay.run(stop)
        self._idle = not stop.is_set()
        stop.wait()

    def ready(self) -> bool:
        return self._idle or (self._replay is not None and self._replay.ready())

    def summary(self) -> str:
        if self._replay is None:
            return "replayed no candles"
        return self._replay.summary() + ("; came to the end of what is stored, and idled" if self._idle else "")


def stored_candles(settings: Settings, days: int) -> list[Candle]:
    """The candles of the last `days` days that are stored, in order of time and symbol."""
    lake = Lake.from_settings(settings)
    if stored := lake.days(CANDLES):
        end = utc(stored[-1]) + DAY
        rows = lake.read(CANDLES, end - days * DAY, end, symbols=settings.symbols)
    else:
        end = settings.collected_until()
        rows = collect(choose_source(settings), settings.symbols, end - days * DAY, end).candles
    return [*_candles(rows.sort_by([("open_time", "ascending"), ("symbol", "ascending")]))]


def newest_replayed(log: EventLog) -> dict[str, datetime]:
    """Symbol -> open_time of the last candle that a replay put into Binance's topic."""
    topic = candles_topic(EXCHANGE)
    newest: dict[str, datetime] = {}
    state = log.topic(topic)
    for partition, end in state.end.items():
        for record in log.read(topic, partition, max(state.start[partition], end - _LOOKED_AT), end):
            try:
                candle = decode_candle(record.value)
            except MessageError:
                continue
            if candle.replayed and not candle.built:
                newest[candle.symbol] = max(candle.open_time, newest.get(candle.symbol, candle.open_time))
    return newest


def _candles(rows: pa.Table) -> Iterator[Candle]:
    for row in rows.to_pylist():
        if row["trade_count"] is None:
            continue  # copied from a second source: no exchange's feed had it
        yield Candle(
            exchange=EXCHANGE,
            symbol=row["symbol"],
            interval="1m",
            open_time=row["open_time"],
            # The instant at which it is complete paces the replay.
            received_at=row["open_time"] + MINUTE,
            provenance="simulated" if row["provenance"] == "simulated" else "observed",
            **{name: row[name] for name in _COLUMNS},
        )
