"""What is odd about rows: missing values, wrong types, outliers. Oddities are flagged and counted; nothing is changed,
filled or dropped, and whoever reads the rows decides.

Each function returns the frame as it was with one boolean column more a flag, so that they can follow one another.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from numbers import Real
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from bitpredict.errors import ContractError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Kind = Literal["number", "text", "truth", "instant"]

NORMAL = 1.4826
"""1 / Phi^-1(3/4): the standard deviation of normal values in units of their median absolute deviation."""

_LEAST = 3
"""Values in a window without which nothing is said of the one that is judged."""

_AT_ONCE = 20_000

_IS: Mapping[Kind, Callable[[object], bool]] = {
    "number": lambda value: isinstance(value, Real) and not isinstance(value, (bool, np.bool_)),
    "text": lambda value: isinstance(value, str),
    "truth": lambda value: isinstance(value, (bool, np.bool_)),
    "instant": lambda value: isinstance(value, date) and getattr(value, "tzinfo", None) is not None,
}


@dataclass(frozen=True, eq=False)
class Flagged:
    """A frame with its flags.

    Attributes:
        data: the frame's own columns with their values, dtypes and index, and the boolean columns of the flags.
        counts: flag -> rows that have it.
        not_judged: flag -> rows of which nothing could be said; they do not have the flag.
    """

    data: pd.DataFrame
    counts: Mapping[str, int]
    not_judged: Mapping[str, int]


def flag_missing(frame: pd.DataFrame, columns: Iterable[str]) -> Flagged:
    """`missing_<column>`: null, None, NaN or NaT.

    Raises:
        ContractError: the frame has no such column.
    """
    return _flagged(frame, {f"missing_{name}": (_column(frame, name).isna().to_numpy(bool), None) for name in columns})


def flag_mistyped(frame: pd.DataFrame, kinds: Mapping[str, Kind]) -> Flagged:
    """`mistyped_<column>`: there, but not of its kind. A number in text is text, true is no number, an infinite number
    is none, an instant has a timezone. Missing values are not judged.

    Raises:
        ContractError: the frame has no such column.
    """
    found = {}
    for name, kind in kinds.items():
        values = _column(frame, name)
        there = ~values.isna().to_numpy(bool)
        fits = np.fromiter((_IS[kind](value) for value in values), bool, len(values))
        if kind == "number":
            fits &= ~np.isinf(pd.to_numeric(values.where(fits & there), errors="coerce").to_numpy(np.float64))
        found[f"mistyped_{name}"] = (there & ~fits, there)
    return _flagged(frame, found)


def flag_outliers(
    frame: pd.DataFrame,
    column: str,
    *,
    window: int,
    threshold: float = 3.0,
    floor: float = 0.0,
    causal: bool = True,
    by: str | None = None,
) -> Flagged:
    """`outlier_<column>` by Hampel's filter (`hampel`), each group of `by` for itself.

    Args:
        frame: in order of time within each group.

    Raises:
        ContractError: the frame has no such column.
        ValueError: window, threshold or floor make no sense.
    """
    values = _column(frame, column).to_numpy(np.float64, na_value=np.nan)
    flags, judged = np.zeros(values.size, bool), np.zeros(values.size, bool)
    groups = (
        [np.arange(values.size)]
        if by is None
        else list(_column(frame, by).groupby(_column(frame, by)).indices.values())
    )
    for rows in groups:
        flags[rows], judged[rows] = hampel(values[rows], window, threshold=threshold, floor=floor, causal=causal)
    return _flagged(frame, {f"outlier_{column}": (flags, judged)})


def flag_deviations(frame: pd.DataFrame, column: str, reference: str, *, tolerance: float) -> Flagged:
    """`deviating_<column>`: |ln(column / reference)| above the tolerance, where both are there and above zero.

    Args:
        reference: the column that holds what a second source says of the same instant.

    Raises:
        ContractError: the frame has no such column.
        ValueError: the tolerance is not above zero.
    """
    if not tolerance > 0:
        raise ValueError(f"a tolerance of {tolerance} would flag what agrees; it must be above zero")
    ours, theirs = (_column(frame, name).to_numpy(np.float64, na_value=np.nan) for name in (column, reference))
    judged = np.isfinite(ours) & np.isfinite(theirs) & (ours > 0) & (theirs > 0)
    distance = np.zeros(ours.size)
    distance[judged] = np.abs(np.log(ours[judged]) - np.log(theirs[judged]))
    return _flagged(frame, {f"deviating_{column}": (distance > tolerance, judged)})


def hampel(
    values: Floats, window: int, *, threshold: float = 3.0, floor: float = 0.0, causal: bool = True
) -> tuple[Bools, Bools]:
    """Which values are outliers: |x_i - m_i| > threshold * max(1.4826 * MAD_i, floor), with the median m_i and the
    median absolute deviation MAD_i = median |x_j - m_i| of the window around x_i.

    Hampel, "The influence curve and its role in robust estimation", Journal of the American Statistical Association 69
    (1974), 383-393; as a moving window: Pearson, Neuvo, Astola and Gabbouj, "Generalized Hampel filters", EURASIP
    Journal on Advances in Signal Processing 2016:87, equations 1 to 3.

    Args:
        values: (n,) in order of time, NaN where there is none. The unit is free; of prices take logarithms.
        window: how many values it holds, x_i among them. NaN are in it and say nothing.
        floor: the least scale, in the unit of the values: where more than half of them are equal MAD is zero, and
            without it any other value is an outlier.
        causal: the window ends with x_i, so that later values never change a flag; otherwise x_i is in its middle
            (`window` must be odd), which finds the beginning of a new level less often an outlier.

    Returns:
        (n,) flags, and (n,) whether the value was judged: it is finite, and its window holds at least three such.

    Raises:
        ValueError: a window of fewer than three values, an even one to be centred, a threshold or floor below zero.
    """
    if window < _LEAST or (not causal and window % 2 == 0):
        raise ValueError(f"a window of {window} values; write at least {_LEAST}, and an odd number to centre it")
    if not (threshold >= 0 and floor >= 0):
        raise ValueError(f"threshold {threshold} and floor {floor} must not be below zero")
    values = np.where(np.isfinite(values), values, np.nan)
    before, after = (window - 1, 0) if causal else (window // 2, window // 2)
    padded = np.concatenate([np.full(before, np.nan), values, np.full(after, np.nan)])
    flags, judged = np.zeros(values.size, bool), np.zeros(values.size, bool)
    for first in range(0, values.size, _AT_ONCE):
        x = values[first : first + _AT_ONCE]
        windows = np.lib.stride_tricks.sliding_window_view(padded[first : first + x.size + window - 1], window)
        middle = _medians(windows)
        scale = NORMAL * _medians(np.abs(windows - middle[:, None]))
        enough = (~np.isnan(windows)).sum(axis=1) >= _LEAST
        judged[first : first + x.size] = ~np.isnan(x) & enough
        flags[first : first + x.size] = np.abs(x - middle) > threshold * np.maximum(scale, floor)
    return flags & judged, judged


def _medians(windows: Floats) -> Floats:
    """(n,) of each row's values that are not NaN, NaN where there are none: sorting puts NaN last."""
    ordered = np.sort(windows, axis=1)
    count = (~np.isnan(windows)).sum(axis=1)
    rows = np.arange(count.size)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, windows.shape[1] - 1)
    return np.where(count > 0, ordered[rows, low] + (ordered[rows, high] - ordered[rows, low]) / 2, np.nan)


def _column(frame: pd.DataFrame, name: str) -> "pd.Series[Any]":
    if name not in frame.columns:
        raise ContractError(f"there is no column {name} to look at; there are {', '.join(map(str, frame.columns))}")
    return frame[name]


def _flagged(frame: pd.DataFrame, found: Mapping[str, tuple[Bools, Bools | None]]) -> Flagged:
    data = frame.assign(**{name: flags for name, (flags, _) in found.items()})
    counts = {name: int(flags.sum()) for name, (flags, _) in found.items()}
    return Flagged(
        data, counts, {name: int((~judged).sum()) for name, (_, judged) in found.items() if judged is not None}
    )
