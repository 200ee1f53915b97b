"""Binance's public archive of one-minute klines: a zip a symbol and day or month, in a folder or over HTTP.

Layout and columns, and the change from milliseconds to microseconds on 2025-01-01:
https://github.com/binance/binance-public-data
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bitpredict.errors import (
    AbsentError,
    BadSourceDataError,
    BeforeListingError,
    BitPredictError,
    NotYetPublishedError,
    UnknownSymbolError,
)
from bitpredict.market.candles import CandleBatch, clean
from bitpredict.market.time import DAY, utc
from bitpredict.sources.archive_files import ArchiveFiles, FolderFiles, WebFiles
from bitpredict.sources.downloads import Downloads
from bitpredict.sources.http import HttpClient
from bitpredict.sources.kline_file import MAX_ZIP_BYTES, check_sum, read_klines

PUBLISHED_WITHIN = timedelta(days=3)
"""A day's file appears on the day after, late now and then; what is not there by then is not coming."""


class BinanceArchive:
    """Reads one archive. Safe to share between threads.

    An absent day is one of four things. Until `PUBLISHED_WITHIN` after its end it is not yet published. Later, an
    archive that has neither the symbol's folder nor a recent file of it does not know the symbol. Otherwise the month
    and the day before tell: if one of them is there, the symbol was listed and the day is a hole of the archive; if
    none is, the symbol was not traded.

    Args:
        base: a folder or an HTTP address, with `data/spot/...` below it.
        http: used for an address.
        downloads: where good files are kept; None keeps none.
        now: the clock.
    """

    name = "binance_archive"

    def __init__(
        self,
        base: str,
        http: HttpClient,
        *,
        downloads: Downloads | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        remote = base.startswith(("http://", "https://"))
        self.workers = 8 if remote else 1
        self.whole_months = remote  # a month's file is one request where its days are thirty
        self._files: ArchiveFiles = (
            WebFiles(base, MAX_ZIP_BYTES, http, downloads)
            if remote
            else FolderFiles(Path(base).expanduser(), MAX_ZIP_BYTES)
        )
        self._now = now
        self._known: set[str] = set()

    def day(self, symbol: str, day: date) -> CandleBatch:
        """One symbol's candles of one UTC day.

        Raises:
            NotYetPublishedError, UnknownSymbolError, AbsentError, BeforeListingError: there is no file (see the class).
            BadSourceDataError: the file is not what it should be.
            SourceUnavailableError: the archive cannot be reached or read.
        """
        found = self._read(_File("daily", symbol, day))
        if found is None:
            raise self._absence(symbol, day)
        return found

    def month(self, symbol: str, first_day: date) -> CandleBatch:
        """One symbol's candles of the month that starts on `first_day`.

        Raises:
            AbsentError: there is no file of the whole month; its days may be there.
            BadSourceDataError, SourceUnavailableError: as `day` raises them.
        """
        file = _File("monthly", symbol, first_day)
        found = self._read(file)
        if found is None:
            raise AbsentError(f"there is no {self._files.locate(file.path)}; ask for its days")
        return found

    def _read(self, file: "_File") -> CandleBatch | None:
        found = self._files.read(file.path)
        if found is None:
            return None
        where = self._files.locate(file.path)
        if not found.verified and (checksum := self._files.read(f"{file.path}.CHECKSUM")):
            check_sum(found.body, checksum.body, f"{file.name}.zip", where)
        rows = read_klines(found.body, file.name, where)
        batch = clean(rows, file.symbol, utc(file.first), utc(file.end))
        if rows.num_rows == batch.rejected.get("outside the range"):
            raise BadSourceDataError(
                f"{where} holds no minute of {file.first} to {file.end}, the first is {rows['open_time'][0]}; "
                "another day's file has its name"
            )
        found.keep()
        return batch

    def _absence(self, symbol: str, day: date) -> BitPredictError:
        where = self._files.locate(_File("daily", symbol, day).path)
        if self._now() < utc(day) + DAY + PUBLISHED_WITHIN:
            return NotYetPublishedError(f"{where} is not published yet; try again later")
        if self._was_listed(symbol, day):
            return AbsentError(f"{where} is absent although the archive has earlier files: a hole of the archive")
        if not self._is_known(symbol):
            return UnknownSymbolError(
                f"the archive has no files of {symbol} ({where}); check BITPREDICT_SYMBOLS and BITPREDICT_ARCHIVE_URL"
            )
        return BeforeListingError(f"{where} is absent: {symbol} was not traded on {day}")

    def _was_listed(self, symbol: str, day: date) -> bool:
        before = (_File("monthly", symbol, _month_before(day)), _File("daily", symbol, day - DAY))
        return any(self._files.exists(file.path) for file in before)

    def _is_known(self, symbol: str) -> bool:
        """Whether there is the symbol's folder (seen in folders only) or a recent file."""
        if symbol not in self._known:
            today = self._now().date()
            recent = [
                _File("monthly", symbol, _month_before(today)),
                _File("monthly", symbol, _month_before(_month_before(today))),
                *(_File("daily", symbol, today - i * DAY) for i in range(1, 5)),
            ]
            paths = [f"data/spot/daily/klines/{symbol}/1m", *(file.path for file in recent)]
            if any(self._files.exists(path) for path in paths):
                self._known.add(symbol)
        return symbol in self._known


@dataclass(frozen=True)
class _File:
    """One file of the archive: a day or a month of a symbol, `kind` is daily or monthly."""

    kind: str
    symbol: str
    first: date

    @property
    def name(self) -> str:
        return f"{self.symbol}-1m-{self.first:{'%Y-%m-%d' if self.kind == 'daily' else '%Y-%m'}}"

    @property
    def path(self) -> str:
        return f"data/spot/{self.kind}/klines/{self.symbol}/1m/{self.name}.zip"

    @property
    def end(self) -> date:
        return self.first + DAY if self.kind == "daily" else (self.first + timedelta(days=31)).replace(day=1)


def _month_before(day: date) -> date:
    return (day.replace(day=1) - DAY).replace(day=1)
