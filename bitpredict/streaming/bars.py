"""Minute bars made of trades, as an exchange makes its candles."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

import msgspec

from bitpredict.streaming.messages import Candle, Trade


class Bar(msgspec.Struct):
    """The minute that is being traded.

    Attributes:
        open_time: its start.
        taker_buy_volume: bought by takers; a trade whose side nobody told counts half, which leans to neither side.
        simulated: one of its trades is.
    """

    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    quote_volume: float = 0.0
    trade_count: int = 0
    taker_buy_volume: float = 0.0
    simulated: bool = False

    @classmethod
    def starting(cls, open_time: datetime, price: float) -> Self:
        """A minute whose first trade was at `price`; the trade itself is still to be added."""
        return cls(open_time, price, price, price, price)

    def add(self, trades: Sequence[Trade]) -> None:
        """Take in trades of this minute, in order of time."""
        for trade in trades:
            price, size = trade.price, trade.size
            if price > self.high:
                self.high = price
            elif price < self.low:
                self.low = price
            self.volume += size
            self.quote_volume += price * size
            if trade.side == "buy":
                self.taker_buy_volume += size
            elif trade.side == "unknown":
                self.taker_buy_volume += 0.5 * size
            if trade.provenance == "simulated":
                self.simulated = True
        self.close = trades[-1].price
        self.trade_count += len(trades)

    def candle(self, exchange: str, symbol: str, received_at: datetime, *, replayed: bool) -> Candle:
        """The minute as the candles' topic has it, known when the trade came that ended it."""
        return Candle(
            exchange=exchange,
            symbol=symbol,
            interval="1m",
            open_time=self.open_time,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            quote_volume=self.quote_volume,
            trade_count=self.trade_count,
            taker_buy_volume=self.taker_buy_volume,
            received_at=received_at,
            provenance="simulated" if self.simulated else "observed",
            replayed=replayed,
            built=True,
        )
