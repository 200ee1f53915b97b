"""Where one-minute candles come from, and how a range of days is collected from there."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from bitpredict.errors import AbsentError, BeforeListingError, NotYetPublishedError, SettingsError
from bitpredict.market.candles import CANDLE_SCHEMA, CandleBatch
from bitpredict.market.time import DAY, MINUTE, days
from bitpredict.observability import SOURCE_REJECTED_ROWS
from bitpredict.settings import Settings
from bitpredict.sources.binance import BinanceRest
from bitpredict.sources.binance_archive import BinanceArchive
from bitpredict.sources.client import open_client
from bitpredict.sources.downloads import Downloads
from bitpredict.sources.simulated import Simulator

_log = structlog.get_logger(__name__)

NOT_YET_PUBLISHED = "not yet published"
"""Why a day is missing that will be there later."""

_WHY = {
    NotYetPublishedError: NOT_YET_PUBLISHED,
    BeforeListingError: "not traded",
    AbsentError: "absent from the source",
}
_MISSING = tuple(_WHY)


class CandleSource(Protocol):
    """One source of candles.

    Attributes:
        name: in the metrics.
        workers: how many days may be asked for at the same time.
    """

    @property
    def name(self) -> str: ...

    @property
    def workers(self) -> int: ...

    def day(self, symbol: str, day: date) -> CandleBatch:
        """One symbol's candles of one UTC day; raises one of the errors of `_WHY` where the source has none."""


@runtime_checkable
class MonthlySource(CandleSource, Protocol):
    """A source that can also give a month at once, which is preferred where `whole_months` says so."""

    @property
    def whole_months(self) -> bool: ...

    def month(self, symbol: str, first_day: date) -> CandleBatch:
        """One symbol's candles of one month; raises AbsentError where only days can be had."""


@dataclass(frozen=True)
class Collected:
    """What a range came to.

    Attributes:
        candles: columns of `CANDLE_SCHEMA`, ordered by symbol (as asked) and time.
        rejected: reason -> rows that were not believed.
        missing: days without a single candle, with the reason. None of them is an error, and each is a gap for as long
            as the symbol has older candles.
    """

    candles: pa.Table
    rejected: Mapping[str, int]
    missing: list[tuple[str, date, str]]

    @property
    def not_yet_published(self) -> set[tuple[str, date]]:
        """Days to ask for again later."""
        return {(symbol, day) for symbol, day, why in self.missing if why == NOT_YET_PUBLISHED}


@dataclass(frozen=True)
class _Piece:
    """Days of one symbol that are asked for together: one, or a whole month."""

    symbol: str
    days: tuple[date, ...]


@dataclass(frozen=True)
class _Fetched:
    """What came of a piece: its candles, and why days are missing."""

    batches: list[CandleBatch]
    why: Mapping[date, str]


class ArchiveThenRest:
    """Binance's archive where it has the day, its REST interface for today and what is not published."""

    name = "binance"

    def __init__(
        self, archive: BinanceArchive, rest: BinanceRest, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._archive = archive
        self._rest = rest
        self._now = now
        self.workers = archive.workers
        self.whole_months = archive.whole_months

    def day(self, symbol: str, day: date) -> CandleBatch:
        """Raises what both raise; AbsentError and NotYetPublishedError only if neither has the day."""
        if day < self._now().date():
            with suppress(NotYetPublishedError, AbsentError):
                return self._archive.day(symbol, day)
        return self._rest.day(symbol, day)

    def month(self, symbol: str, first_day: date) -> CandleBatch:
        """Raises what BinanceArchive.month raises."""
        return self._archive.month(symbol, first_day)


def choose_source(settings: Settings) -> CandleSource:
    """The source that `settings.market` names.

    Raises:
        SettingsError: the market has no candles to collect; it feeds the live lane alone.
    """
    if settings.market == "coinbase":
        raise SettingsError(
            "BITPREDICT_MARKET=coinbase feeds the live lane alone and has no candles to collect; for prices, features "
            "and models of history set BITPREDICT_MARKET=binance (or sample, archive, simulated)"
        )
    if settings.market == "simulated":
        return Simulator(settings.simulation_seed)
    downloads = Downloads(settings.home / "cache" / "archive")
    archive = BinanceArchive(settings.archive, open_client("binance_archive", settings), downloads=downloads)
    if settings.market == "binance":
        return ArchiveThenRest(
            archive, BinanceRest(settings.binance_url, open_client("binance", settings, interval=0.1))
        )
    return archive


def collect(
    source: CandleSource,
    symbols: Sequence[str],
    start: datetime,
    end: datetime,
    on_day: Callable[[str, date], None] | None = None,
) -> Collected:
    """Collect every UTC day that [start, end) touches.

    Args:
        on_day: told of each day when it is there, in order, from the calling thread.

    Raises:
        SourceError: the source failed; a day that it does not have (yet) is no failure but listed as missing.
    """
    pieces = [piece for symbol in symbols for piece in _plan(source, symbol, list(days(start, end)))]
    batches: list[pa.Table] = []
    rejected: Counter[str] = Counter()
    missing: list[tuple[str, date, str]] = []
    for piece, fetched in zip(pieces, _fetch_all(source, pieces), strict=True):
        for batch in fetched.batches:
            batches.append(batch.candles)
            rejected.update(batch.rejected)
        missing.extend((piece.symbol, day, why) for day, why in _without_candles(piece, fetched))
        if on_day:
            for day in piece.days:
                on_day(piece.symbol, day)
    for reason, rows in rejected.items():
        SOURCE_REJECTED_ROWS.labels(source.name, reason).inc(rows)
    if rejected:
        _log.warning("rows rejected", source=source.name, start=start.isoformat(), end=end.isoformat(), **rejected)
    candles = _known_together(pa.concat_tables([CANDLE_SCHEMA.empty_table(), *batches]).combine_chunks())
    return Collected(candles, rejected, missing)


def _plan(source: CandleSource, symbol: str, wanted: list[date]) -> Iterator[_Piece]:
    """Whole months in one piece where the source likes that, single days otherwise."""
    for _, group in groupby(wanted, key=lambda day: (day.year, day.month)):
        month = tuple(group)
        whole = month[0].day == 1 and (month[-1] + DAY).day == 1
        if whole and isinstance(source, MonthlySource) and source.whole_months:
            yield _Piece(symbol, month)
        else:
            yield from (_Piece(symbol, (day,)) for day in month)


def _fetch_all(source: CandleSource, pieces: list[_Piece]) -> Iterator[_Fetched]:
    """What came of each piece, in their order; several are asked for at the same time where the source allows it."""
    if source.workers == 1:
        yield from (_fetch(source, piece) for piece in pieces)
        return
    pool = ThreadPoolExecutor(source.workers, thread_name_prefix=source.name)
    try:
        for future in [pool.submit(_fetch, source, piece) for piece in pieces]:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _fetch(source: CandleSource, piece: _Piece) -> _Fetched:
    if len(piece.days) > 1 and isinstance(source, MonthlySource):
        with suppress(AbsentError):
            return _Fetched([source.month(piece.symbol, piece.days[0])], {})
    batches: list[CandleBatch] = []
    why: dict[date, str] = {}
    for day in piece.days:
        try:
            batches.append(source.day(piece.symbol, day))
        except _MISSING as error:
            why[day] = _WHY[type(error)]
    return _Fetched(batches, why)


def _without_candles(piece: _Piece, fetched: _Fetched) -> Iterator[tuple[date, str]]:
    opened = [batch.candles["open_time"].to_numpy().astype("datetime64[D]") for batch in fetched.batches]
    there = set(np.unique(np.concatenate([np.array([], "datetime64[D]"), *opened])).tolist())
    for day in piece.days:
        if day not in there:
            yield day, fetched.why.get(day, "no candles in its file")


def _known_together(candles: pa.Table) -> pa.Table:
    """Date what was received live by the end of the collection: until then it is in no table.

    Otherwise the symbol that was asked first would seem to be known before the others, and as-of joins between symbols
    would find nothing of them.
    """
    live = pc.greater(candles["known_at"], pc.add(candles["open_time"], pa.scalar(MINUTE)))
    received = pc.max(candles["known_at"].filter(live))
    known_at = pc.if_else(live, received, candles["known_at"])
    return candles.set_column(candles.schema.get_field_index("known_at"), CANDLE_SCHEMA.field("known_at"), known_at)
