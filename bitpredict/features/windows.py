"""Rolling windows whose value depends on the window's own values alone, to the last bit.

A running sum (cumulative sums, pandas' rolling) carries rounding from wherever the array happens to start, so that the
same window differs between a year's run and the latest row's. Here a window is put together from power-of-two pieces,
each the sum of its two halves, in a fixed order: `S1 = x`, `S2[i] = S1[i] + S1[i-1]`, `S4[i] = S2[i] + S2[i-2]`, and a
window of 60 ending at i is `S32[i] + S16[i-32] + S8[i-48] + S4[i-56]`.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


class Ladder:
    """The power-of-two windows of one series, built when first asked for and shared by every window over it.

    Args:
        values: (n,) without NaN; what is missing holds `empty`.
        combine: associative ufunc, for example `np.add`, `np.maximum`.
        empty: the value that changes nothing; also stands for what lies before the array.
        decay: factor a step back in time, for exponentially weighted sums; 1 weighs all alike.
    """

    def __init__(
        self, values: npt.NDArray[Any], combine: np.ufunc = np.add, empty: float = 0.0, decay: float = 1.0
    ) -> None:
        self._pieces = [values]
        self._before: dict[int, list[npt.NDArray[Any]]] = {}
        self._combine = combine
        self._empty = empty
        self._decay = decay

    def over(self, window: int, rows: Rows) -> npt.NDArray[Any]:
        """Combine the `window` values that end at (and include) each of `rows`.

        Args:
            window: number of values, at least 1.
            rows: (m,) positions; one before the array's start sees only `empty`.

        Returns:
            (m,) in the order of `rows`.
        """
        if rows.size == 1:
            return self._at(window, int(rows[0]))
        total: npt.NDArray[Any] = self._pieces[0][:0]
        for level, back in _parts(window):
            piece = self._faded(self._look_up(level, rows - back), back)
            total = self._combine(total, piece) if back else piece
        return total

    def everywhere(self, window: int) -> npt.NDArray[Any]:
        """`over` at every position, in order: (n,)."""
        total: npt.NDArray[Any] = self._pieces[0][:0]
        for level, back in _parts(window):
            piece = self._piece(level)
            if back:
                self._combine(total[back:], self._faded(piece[:-back], back), out=total[back:])
            else:
                total = piece.copy()
        return total

    def _piece(self, level: int) -> npt.NDArray[Any]:
        while len(self._pieces) <= level:
            half = self._pieces[-1]
            step = 1 << (len(self._pieces) - 1)
            whole = np.empty_like(half)
            whole[:step] = half[:step]
            if step < half.size:
                self._combine(half[step:], self._faded(half[:-step], step), out=whole[step:])
            self._pieces.append(whole)
        return self._pieces[level]

    def _look_up(self, level: int, rows: Rows) -> npt.NDArray[Any]:
        piece = self._piece(level)
        if rows.size and rows.min() >= 0:
            return piece[rows]
        found = np.full(rows.shape, self._empty, piece.dtype)
        inside = rows >= 0
        found[inside] = piece[rows[inside]]
        return found

    def _at(self, window: int, row: int) -> npt.NDArray[Any]:
        """`over` at one row. Pieces that are not there are not built for it: their values that lie end to end before
        the row are, and every window that ends there is made of those."""
        total: npt.NDArray[Any] = self._pieces[0][:0]
        for level, back in _parts(window):
            if back > row:
                piece = np.full(1, self._empty, self._pieces[0].dtype)
            elif level < len(self._pieces) or row + 1 < back + (1 << level):
                piece = self._piece(level)[row - back : row - back + 1]
            else:
                piece = self._end_to_end(level, row)[back >> level :][:1]
            piece = self._faded(piece, back)
            total = self._combine(total, piece) if back else piece
        return total

    def _end_to_end(self, level: int, row: int) -> npt.NDArray[Any]:
        """Values of a piece at `row`, one length of it before that, and so on: those that hold nothing from before the
        array."""
        levels = self._before.setdefault(row, [self._pieces[0][row::-1]])
        while len(levels) <= level:
            half = levels[-1][: levels[-1].size // 2 * 2]
            levels.append(self._combine(half[::2], self._faded(half[1::2], 1 << (len(levels) - 1))))
        return levels[level]

    def _faded(self, values: npt.NDArray[Any], steps: int) -> npt.NDArray[Any]:
        return values if self._decay == 1.0 or steps == 0 else values * self._decay**steps


@cache
def _parts(window: int) -> tuple[tuple[int, int], ...]:
    """(level, back): the pieces that a window is put together from, the longest and newest first."""
    if window < 1:
        raise ValueError(f"a window of {window} values holds nothing; it must be at least 1")
    levels = [level for level in reversed(range(window.bit_length())) if window >> level & 1]
    return tuple((level, window >> level + 1 << level + 1) for level in levels)


def rolling_sum(x: Floats, window: int) -> Floats:
    """Sum of the last `window` values at each position; NaN is left out, and a window of nothing else is NaN."""
    return np.where(_count(x, window) > 0, Ladder(np.where(np.isnan(x), 0.0, x)).everywhere(window), np.nan)


def rolling_mean(x: Floats, window: int) -> Floats:
    """Mean of those of the last `window` values that are not NaN; NaN where there is none."""
    count = _count(x, window)
    return rolling_sum(x, window) / np.where(count > 0, count, np.nan)


def rolling_max(x: Floats, window: int) -> Floats:
    """Largest of the last `window` values; NaN is left out, and a window of nothing else is NaN."""
    found = Ladder(np.where(np.isnan(x), -np.inf, x), np.maximum, -np.inf).everywhere(window)
    return np.where(_count(x, window) > 0, found, np.nan)


def rolling_min(x: Floats, window: int) -> Floats:
    """Smallest of the last `window` values; NaN is left out, and a window of nothing else is NaN."""
    return -rolling_max(-x, window)


def _count(x: Floats, window: int) -> Floats:
    return Ladder(np.where(np.isnan(x), 0.0, 1.0)).everywhere(window)
