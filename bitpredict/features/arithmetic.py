"""Logarithms and ratios that are undefined (NaN) where mathematics says so, never infinite and never replaced."""

import numpy as np

from bitpredict.features.windows import Floats


def log_of(x: Floats) -> Floats:
    """`ln x`; NaN where x is not above zero."""
    return np.log(np.where(x > 0, x, np.nan))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """`numerator / denominator`; NaN where the denominator is zero."""
    return numerator / np.where(denominator == 0, np.nan, denominator)
