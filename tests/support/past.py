"""What was known at one origin, by pandas and the definitions alone: the oracle of the feature tests."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Past:
    """One symbol's observed bars before `origin`, indexed by open_time, with `r`: the valid log returns."""

    bars: pd.DataFrame
    origin: pd.Timestamp

    @classmethod
    def of(cls, candles: pd.DataFrame, symbol: str) -> "Past":
        """All bars of a symbol; `at` then cuts."""
        own = candles[(candles["symbol"] == symbol) & ~candles["halted"]].sort_values("open_time")
        own = own.set_index("open_time")
        follows = own.index.to_series().diff() == MINUTE
        return cls(own.assign(r=np.log(own["close"]).diff().where(follows)), own.index[-1] + MINUTE)

    def at(self, origin: pd.Timestamp) -> "Past":
        return Past(self.bars[: origin - MINUTE], origin)

    def last(self, minutes: int, ago: int = 0) -> pd.DataFrame:
        """Bars that start in the `minutes` before `origin - ago`."""
        end = self.origin - ago * MINUTE
        return self.bars[end - minutes * MINUTE : end - MINUTE]

    def returns(self, minutes: int, ago: int = 0) -> np.ndarray:
        return self.last(minutes, ago)["r"].dropna().to_numpy()

    def rv(self, minutes: int, ago: int = 0) -> float:
        r = self.returns(minutes, ago)
        return float(np.mean(r**2)) if r.size else np.nan


def log(x: float) -> float:
    """NaN where there is no logarithm."""
    return float(np.log(x)) if x > 0 else np.nan


def over(a: float, b: float) -> float:
    """NaN where there is no ratio."""
    return a / b if b != 0 else np.nan
