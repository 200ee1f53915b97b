"""The last days of one symbol's minutes, in arrays that a new minute is written into: nothing is built anew."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from bitpredict.features.catalog import LOOKBACK
from bitpredict.features.minutes import PROVENANCES, MinuteGrid
from bitpredict.market.time import EPOCH, MINUTE
from bitpredict.streaming.messages import Candle

REACH = LOOKBACK // MINUTE
SPARE = 1440
"""Minutes kept beyond the look-back, and minutes that fit before the arrays are moved."""

_NUMBERS = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume")
_SIZE = REACH + 2 * SPARE
_STEP = MINUTE // timedelta(microseconds=1)


class MinuteStore:
    """Minutes of one symbol; each is written once and stays as it is."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._first: int | None = None
        self._numbers = np.empty((0, 0))
        self._present = self._halted = np.empty(0, bool)
        self._provenance = np.empty(0, np.int8)

    def load(self, candles: pa.Table, start: datetime, end: datetime) -> None:
        """Write history: rows of `storage.contracts.CANDLES`; only those of [start, end) count.

        Raises:
            ContractError: candles off the full minute or of unknown provenance.
        """
        grid = MinuteGrid.from_candles(candles, self.symbol, start, end)
        first = self._make_room(_minute(end) - 1) if grid.open_time.size else 0
        skip = max(first - _minute(start), 0)
        places = np.flatnonzero(grid.present[skip:]) + skip
        at = places + _minute(start) - first
        for row, name in enumerate(_NUMBERS):
            self._numbers[row, at] = getattr(grid, name)[places]
        self._present[at] = True
        self._halted[at] = grid.halted[places]
        self._provenance[at] = grid.provenance[places]

    def add(self, candle: Candle) -> bool:
        """Write a minute; False, and nothing happens, if it is there already or too old to be kept."""
        minute = _minute(candle.open_time)
        place = minute - self._make_room(minute)
        if place < 0 or self._present[place]:
            return False
        self._numbers[:, place] = [getattr(candle, name) for name in _NUMBERS]
        self._present[place] = True
        self._provenance[place] = PROVENANCES.index(candle.provenance)
        return True

    def has(self, open_time: datetime) -> bool:
        """Whether the minute is there."""
        place = self._place(open_time)
        return place is not None and bool(self._present[place])

    def grid(self, origin: datetime) -> MinuteGrid | None:
        """The look-back before `origin`, a full minute, as views of the arrays.

        None if the minute before it is not there, or the look-back no longer is.
        """
        last = self._place(origin - MINUTE)
        if last is None or not self._present[last] or last < REACH - 1:
            return None
        part = slice(last + 1 - REACH, last + 1)
        end = int(np.datetime64(origin.replace(tzinfo=None), "us").astype(np.int64))
        minutes = np.arange(end - REACH * _STEP, end + _STEP, _STEP).view("datetime64[us]")
        numbers = {name: self._numbers[row, part] for row, name in enumerate(_NUMBERS)}
        return MinuteGrid(
            symbol=self.symbol,
            open_time=minutes[:-1],
            present=self._present[part],
            halted=self._halted[part],
            known_at=minutes[1:],
            provenance=self._provenance[part],
            **numbers,
        )

    def _place(self, open_time: datetime) -> int | None:
        if self._first is None:
            return None
        place = _minute(open_time) - self._first
        return place if 0 <= place < _SIZE else None

    def _make_room(self, minute: int) -> int:
        """Move the arrays so that they reach `minute`, and return their first."""
        if self._first is None:
            self._first = minute - REACH - SPARE + 1
            self._numbers = np.full((len(_NUMBERS), _SIZE), np.nan)
            self._present, self._halted = np.zeros(_SIZE, bool), np.zeros(_SIZE, bool)
            self._provenance = np.zeros(_SIZE, np.int8)
        elif minute >= self._first + _SIZE:
            step = minute - REACH - SPARE + 1 - self._first
            kept = max(_SIZE - step, 0)
            for values, empty in (
                (self._numbers, np.nan),
                (self._present, False),
                (self._halted, False),
                (self._provenance, 0),
            ):
                values[..., :kept] = values[..., _SIZE - kept :].copy()
                values[..., kept:] = empty
            self._first += step
        return self._first


def _minute(moment: datetime) -> int:
    return (moment - EPOCH) // MINUTE
