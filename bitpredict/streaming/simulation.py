"""Made-up trades at a chosen rate, for load and for a market without an exchange: seeded, and marked as simulated."""

import math
import random
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from bitpredict.streaming.messages import Trade
from bitpredict.streaming.outlet import Outlet

EXCHANGE = "simulated"
TRADES_A_SECOND = 20.0
"""Of all symbols together, where nobody asks for another rate."""

_VOLATILITY = 0.5  # standard deviation of a year's log return
_YEAR = 365.0 * 86_400
_START_PRICES = {"BTCUSDT": 20_000.0, "ETHUSDT": 1_500.0}
_ALL_AT_ONCE = 0.005  # seconds of trades that are handed on together


def simulated_trades(
    symbols: Sequence[str], rate: float, seed: int, start: datetime, first_id: int = 0
) -> Iterator[Trade]:
    """Trades without end, in order of time; the same arguments give the same trades.

    Times between trades are exponential (a Poisson process), log prices are random walks, sizes log-normal.

    Args:
        rate: trades a second of all symbols together; each trade's symbol is drawn.
        start: when the market begins.
        first_id: each symbol's trades are numbered from here.
    """
    chance = random.Random(seed)  # noqa: S311 - a simulation
    prices = {symbol: _START_PRICES.get(symbol, 100.0) for symbol in symbols}
    ids = dict.fromkeys(symbols, first_id)
    step = _VOLATILITY * math.sqrt(len(symbols) / rate / _YEAR)
    seconds = 0.0
    while True:
        seconds += chance.expovariate(rate)
        symbol = chance.choice(symbols)
        prices[symbol] *= math.exp(step * chance.gauss(0.0, 1.0))
        moment = start + timedelta(seconds=seconds)
        yield Trade(
            exchange=EXCHANGE,
            symbol=symbol,
            trade_id=str(ids[symbol]),
            price=round(prices[symbol], 8),
            size=round(math.exp(chance.gauss(-3.0, 1.0)), 8) or 1e-8,
            side="buy" if chance.random() < 0.5 else "sell",
            event_time=moment,
            received_at=moment,
            sequence=ids[symbol],
            provenance="simulated",
        )
        ids[symbol] += 1


class SimulatedFeed:
    """A feed whose trades happen now."""

    def __init__(self, symbols: Sequence[str], seed: int, outlet: Outlet, rate: float = TRADES_A_SECOND) -> None:
        self.outlet = outlet
        self.ready = False
        self._symbols = symbols
        self._seed = seed
        self._rate = rate

    def run(self, stop: threading.Event) -> None:
        """Feed the outlet until `stop`."""
        start, began = datetime.now(UTC), time.monotonic()
        # Numbers of another run must not come again: they begin with the microsecond.
        trades = simulated_trades(self._symbols, self._rate, self._seed, start, int(start.timestamp() * 1e6))
        together: list[Trade] = []
        self.ready = True
        for trade in trades:
            due = began + (trade.event_time - start).total_seconds() - time.monotonic()
            if due > _ALL_AT_ONCE or len(together) >= 1000:
                self._put(together)
                together = []
            if stop.wait(due) if due > _ALL_AT_ONCE else stop.is_set():
                break
            together.append(trade)
        self._put(together)
        self.ready = False

    def _put(self, together: list[Trade]) -> None:
        if together:
            self.outlet.received()
            self.outlet.put(together)
