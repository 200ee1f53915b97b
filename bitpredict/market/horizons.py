"""How far ahead forecasts reach, and how often they are made."""

from dataclasses import dataclass
from datetime import timedelta

from bitpredict.errors import BitPredictError
from bitpredict.market.time import MINUTE

ORIGIN_STEP = timedelta(minutes=5)
"""The feature table has a row, and models are trained on an origin, at every full five minutes, UTC."""

QUANTILE_LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Levels of the log return's quantiles that a forecast carries: 0.05 to 0.95 is the 90 % interval."""


@dataclass(frozen=True, slots=True, order=True)
class Horizon:
    """A named distance between origin and target_time."""

    minutes: int
    name: str
    every: timedelta = ORIGIN_STEP
    """A forecast is made at the full multiples of this; a day ahead, five minutes later would say the same again."""

    @property
    def length(self) -> timedelta:
        return timedelta(minutes=self.minutes)


HORIZONS = (Horizon(5, "5m"), Horizon(60, "1h"), Horizon(1440, "1d", every=timedelta(hours=1)))
"""What the models of candles forecast."""

TICK = Horizon(1, "1m", every=MINUTE)
"""What the live lane forecasts from its window of ticks, each second; its full minutes are in the ledger."""


def parse_horizon(text: str) -> Horizon:
    """Return the horizon named `text`.

    Raises:
        BitPredictError: there is none of that name.
    """
    for horizon in (TICK, *HORIZONS):
        if horizon.name == text.strip().lower():
            return horizon
    raise BitPredictError(f"horizon {text!r} is unknown; choose one of {', '.join(h.name for h in (TICK, *HORIZONS))}")
