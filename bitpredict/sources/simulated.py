"""A made-up market whose truth is known: stochastic volatility with an intraday season, and jumps.

The log price moves by independent normal steps of known variance. A day's variance follows a log-AR(1); a season and
a slow wave divide it among the minutes. Any day is made alone and yet joins its neighbours: the day's whole move is
drawn first, and the minutes are a bridge over it. Adding the move, in proportion to the minutes' variances, to a
bridge gives back independent steps of exactly these variances (conditioning of a Gaussian vector on its sum).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bitpredict.errors import BeforeListingError, NotYetPublishedError
from bitpredict.market.candles import TIMESTAMP, CandleBatch, clean
from bitpredict.market.time import DAY, MINUTE, MINUTES_A_DAY, to_numpy, utc

EPOCH = date(2017, 1, 1)
"""First day of the simulated market."""

DAILY_VOLATILITY = 0.025
VOLATILITY_PERSISTENCE = 0.95  # of ln(daily variance), from day to day
VOLATILITY_OF_VOLATILITY = 0.25  # standard deviation of its shocks
JUMPS_A_DAY = 0.2  # probability; a day has one jump at most
JUMP_SIZE = 0.5  # standard deviation, in units of the day's volatility
_START_PRICES = {"BTCUSDT": 20_000.0, "ETHUSDT": 1_500.0}

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """What a day's minutes were made from.

    Attributes:
        open_time: (1440,) UTC.
        variance: (1440,) variance of the minute's log return, its jump left out.
        jump: (1440,) the jump's part of the minute's log return; mostly zero.
        previous_close: the price before the day's first minute.
    """

    open_time: npt.NDArray[np.datetime64]
    variance: _Floats
    jump: _Floats
    previous_close: float


class Simulator:
    """Makes days; the same seed, symbol and day give the same candles. Safe to share between threads.

    Args:
        seed: of the whole market.
        now: the clock; a minute that is not over by it is not delivered.
    """

    name = "simulated"
    workers = 1

    def __init__(self, seed: int, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._seed = seed
        self._now = now

    def day(self, symbol: str, day: date) -> CandleBatch:
        """One symbol's candles of one UTC day.

        Raises:
            BeforeListingError: the day is before `EPOCH`.
            NotYetPublishedError: none of its minutes is over.
        """
        truth = self.truth(symbol, day)
        over = truth.open_time + np.timedelta64(MINUTE) <= to_numpy(self._now())
        if not over.any():
            raise NotYetPublishedError(f"no minute of {day} is over; try again later")
        rows = self._candles(symbol, day, truth).filter(pa.array(over))
        return clean(rows, symbol, utc(day), utc(day) + DAY)

    def truth(self, symbol: str, day: date) -> Truth:
        """The variances and jumps behind a day. Raises BeforeListingError before `EPOCH`."""
        if day < EPOCH:
            raise BeforeListingError(f"the simulated market starts on {EPOCH}; {day} is before it")
        number = (day - EPOCH).days
        history = _history(self._seed, symbol, number)
        random = _random(self._seed, symbol, f"season of day {number}")
        wave = np.cumsum(random.normal(0, 0.03, MINUTES_A_DAY))
        wave -= np.linspace(0, wave[-1], MINUTES_A_DAY)  # days join where the wave is at rest
        shape = _season(day) * np.exp(wave)
        jump = np.zeros(MINUTES_A_DAY)
        jump[random.integers(MINUTES_A_DAY)] = history.jump
        return Truth(
            open_time=to_numpy(utc(day)) + np.arange(MINUTES_A_DAY) * np.timedelta64(MINUTE),
            variance=history.variance * shape / shape.sum(),
            jump=jump,
            previous_close=_START_PRICES.get(symbol, 100.0) * float(np.exp(history.level)),
        )

    def _candles(self, symbol: str, day: date, truth: Truth) -> pa.Table:
        number = (day - EPOCH).days
        move = _history(self._seed, symbol, number).move
        random = _random(self._seed, symbol, f"minutes of day {number}")
        deviation = np.sqrt(truth.variance)
        free = deviation * random.normal(size=MINUTES_A_DAY)
        log_return = bridge(free, truth.variance, move) + truth.jump
        end = np.log(truth.previous_close) + np.cumsum(log_return)
        start = end - log_return
        # Extremes of a Brownian path between two known ends (Karatzas and Shreve, 2.8).
        reach = np.sqrt(log_return**2 - 2 * truth.variance * np.log(random.uniform(size=(2, MINUTES_A_DAY))))
        high, low = (start + end + reach[0]) / 2, (start + end - reach[1]) / 2
        open_, close = np.exp(start), np.exp(end)
        activity = deviation / DAILY_VOLATILITY * np.sqrt(MINUTES_A_DAY)
        volume = activity * random.gamma(4.0, 2.5, MINUTES_A_DAY)
        return pa.table(
            {
                "open_time": pa.array(truth.open_time).cast(TIMESTAMP),
                "open": open_,
                "high": np.maximum.reduce([np.exp(high), open_, close]),
                "low": np.minimum.reduce([np.exp(low), open_, close]),
                "close": close,
                "volume": volume,
                "quote_volume": volume * (open_ + close) / 2,
                "trade_count": 1 + random.poisson(600 * activity),
                "taker_buy_volume": volume * random.beta(20, 20, MINUTES_A_DAY),
                "provenance": pa.repeat("simulated", MINUTES_A_DAY),
                "known_at": pa.array(truth.open_time + np.timedelta64(MINUTE)).cast(TIMESTAMP),
            }
        )


def bridge(steps: _Floats, variance: _Floats, total: float) -> _Floats:
    """Bend independent normal `steps` (n,) of `variance` (n,) so that they sum to `total`.

    If `total` is itself normal with the sum of the variances, what comes out is independent and of `variance` again.
    """
    bent: _Floats = steps + variance / variance.sum() * (total - steps.sum())
    return bent


@dataclass(frozen=True)
class _Day:
    """A day as a whole: log price before it, variance of its move without jump, that move, and its jump."""

    level: float
    variance: float
    move: float
    jump: float


@lru_cache(maxsize=4096)
def _history(seed: int, symbol: str, number: int) -> _Day:
    """Day `number` since the epoch. Each stream's first values do not depend on how many are drawn."""
    shocks = _random(seed, symbol, "daily variance").normal(0, VOLATILITY_OF_VOLATILITY, number + 1)
    state = 0.0
    states = np.array([state := VOLATILITY_PERSISTENCE * state + shock for shock in shocks])
    variance = DAILY_VOLATILITY**2 * np.exp(states)
    move = np.sqrt(variance) * _random(seed, symbol, "daily move").normal(size=number + 1)
    jumps = _random(seed, symbol, "daily jump").normal(size=number + 1) * JUMP_SIZE * np.sqrt(variance)
    jumps *= _random(seed, symbol, "days with a jump").uniform(size=number + 1) < JUMPS_A_DAY
    level = (move + jumps)[:number].sum()
    return _Day(float(level), float(variance[-1]), float(move[-1]), float(jumps[-1]))


def _random(seed: int, symbol: str, stream: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}/{symbol}/{stream}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16]))


def _season(day: date) -> _Floats:
    """Relative variance of each minute: busiest around 15:00 UTC, half as busy on weekends' afternoons."""
    hour = np.arange(MINUTES_A_DAY) / 60
    afternoon = np.exp(-(((hour - 15.0) / 3.5) ** 2))
    season: _Floats = 0.6 + (0.5 if day.weekday() >= 5 else 1.2) * afternoon
    return season
