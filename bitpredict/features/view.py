"""A minute grid as it is seen from chosen origins: the sums and extremes that several families of features share."""

from functools import cached_property

import numpy as np

from bitpredict.features.arithmetic import ratio
from bitpredict.features.minutes import MinuteGrid, Times
from bitpredict.features.windows import Floats, Ladder, Rows

DAY, WEEK = 1440, 10080


class View:
    """Rolling values of one grid, ending with the last complete minute before each origin.

    Args:
        grid: reaches back `catalog.LOOKBACK` before the first origin.
        rows: (m,) position of each origin's last minute in the grid.

    Every method answers for the m origins. Returns that are not valid, and minutes that are missing or halted, are in
    no sum and no count; a window without any is NaN.
    """

    def __init__(self, grid: MinuteGrid, rows: Rows) -> None:
        self.grid = grid
        self.rows = rows
        self._valid_returns: dict[tuple[int, int], Floats] = {}
        self._variance: dict[tuple[int, int], Floats] = {}
        self._observed: dict[int, Floats] = {}

    @property
    def origin(self) -> Times:
        return self.grid.open_time[self.rows] + np.timedelta64(60_000_000, "us")

    @cached_property
    def close(self) -> Floats:
        """Last close known at the origin."""
        return self.grid.close[self.rows]

    def valid_returns(self, window: int, ago: int = 0) -> Floats:
        """How many of the window's minutes have a valid return; the window ends `ago` minutes before the origin."""
        asked = window, ago  # by several families
        if asked not in self._valid_returns:
            self._valid_returns[asked] = self.valid.over(window, self.rows - ago)
        return self._valid_returns[asked]

    def variance(self, window: int, ago: int = 0) -> Floats:
        """RV_w: mean squared log return a valid minute."""
        asked = window, ago
        if asked not in self._variance:
            squares = self.squares.over(window, self.rows - ago)
            self._variance[asked] = ratio(squares, self.valid_returns(window, ago))
        return self._variance[asked]

    def observed_mean(self, series: Ladder, window: int) -> Floats:
        """Mean of a series over the observed minutes of the window."""
        if window not in self._observed:
            self._observed[window] = self.observed.over(window, self.rows)
        return ratio(series.over(window, self.rows), self._observed[window])

    def of_returns(self, values: Floats) -> Ladder:
        """A ladder over something made of the returns, NaN where they are not valid."""
        return Ladder(np.where(np.isnan(values), 0.0, values))

    def of_minutes(self, values: Floats) -> Ladder:
        """A ladder over something made of single candles; minutes missing or halted are left out."""
        return Ladder(np.where(self.grid.observed, values, 0.0))

    @cached_property
    def valid(self) -> Ladder:
        return Ladder((~np.isnan(self.grid.log_return)).astype(np.float64))

    @cached_property
    def observed(self) -> Ladder:
        return Ladder(self.grid.observed.astype(np.float64))

    @cached_property
    def squares(self) -> Ladder:
        return self.of_returns(self.grid.log_return * self.grid.log_return)
