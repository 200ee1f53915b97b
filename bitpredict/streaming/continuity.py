"""Whether trades follow one another without a hole: exchanges number the trades of a symbol one by one."""

import enum
from dataclasses import dataclass
from datetime import datetime

from bitpredict.errors import MessageError
from bitpredict.streaming.coinbase import EXCHANGE as COINBASE
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.messages import Trade, decode_trade

LONGEST_NUMBER = 19
"""Digits; so long a number is none of an exchange's."""

_LOOKED_AT = 10_000  # records before a partition's end, in which every symbol's newest trade is looked for


@dataclass(frozen=True)
class Hole:
    """Trades [first, last] of a symbol that were not received.

    Attributes:
        start, end: when the trade before them and the trade after them happened.
    """

    symbol: str
    first: int
    last: int
    start: datetime
    end: datetime

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def is_numbered(trade_id: str, exchange: str, replayed: bool) -> bool:
    """Whether a trade's id is the exchange's count of the symbol's trades, so that a number left out is a missed trade.

    Ticks, aggregates and passes of a looped recording have other ids. Of Coinbase's recordings nobody can tell: its
    ticker of 2021 leaves trades out, and has the numbers of the matches that it tells.
    """
    return len(trade_id) < LONGEST_NUMBER and trade_id.isdecimal() and not (replayed and exchange == COINBASE)


class Known(enum.Enum):
    """A trade without a hole before it: seen before, or not."""

    NEW = enum.auto()
    SEEN = enum.auto()


class Continuity:
    """Remembers each symbol's newest trade. Ticks and aggregates, which are numbered otherwise, are always new."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, datetime]] = {}

    def look(self, trade: Trade) -> Known | Hole:
        """What this trade says; `follow` it when it was put through."""
        if not is_numbered(trade.trade_id, trade.exchange, trade.replayed) or trade.symbol not in self._newest:
            return Known.NEW
        newest, moment = self._newest[trade.symbol]
        number = int(trade.trade_id)
        if number > newest + 1:
            first, last = sorted((moment, trade.event_time))
            return Hole(trade.symbol, newest + 1, number - 1, first, last)
        if number <= newest and trade.event_time <= moment:
            return Known.SEEN
        # A smaller number with a later time: the numbering began anew, or one number was wrong.
        return Known.NEW

    def go_on(self, log: EventLog, topic: str) -> bool:
        """Follow what a topic holds, so that what was missed between two processes is a hole as well.

        Raises:
            EventLogError: the log cannot be reached, or has no such topic.
        """
        state = log.topic(topic)
        for partition, end in state.end.items():
            start = max(state.start[partition], end - _LOOKED_AT)
            for record in log.read(topic, partition, start, end):
                try:
                    trade = decode_trade(record.value)
                except MessageError:
                    continue
                if not trade.replayed and self.look(trade) is not Known.SEEN:
                    self.follow(trade)
        return True

    def know(self, symbol: str, number: int, event_time: datetime) -> None:
        """This was a symbol's newest trade once, unless a newer one is known."""
        self._newest.setdefault(symbol, (number, event_time))

    def follow(self, trade: Trade) -> None:
        """From now on this is the symbol's newest trade.

        Its time is the latest so far: where the exchange's clock was set back, what comes again from before is known.
        """
        if is_numbered(trade.trade_id, trade.exchange, trade.replayed):
            _, moment = self._newest.get(trade.symbol, (0, trade.event_time))
            self._newest[trade.symbol] = (int(trade.trade_id), max(moment, trade.event_time))
