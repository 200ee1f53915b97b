"""How good a forecast was: losses, coverage, and whether a difference in loss is more than luck."""

import math

import numpy as np

from bitpredict.features.windows import Floats
from bitpredict.market.horizons import QUANTILE_LEVELS

WORST_SHARE = 0.01
"""The share of origins, worst for the baseline, that losses are also shown without: they can carry 40 % of a mean."""

DAY_OF_ORIGINS = 288
"""Lags of the HAC variance for origins every five minutes: losses of one day hang together."""

_LEAST_WINDOWS = 8
"""A Newey-West variance whose lags span more than an eighth of the sample is mostly noise."""


def qlike(realized_variance: Floats, forecast: Floats) -> Floats:
    """QLIKE loss RV/f - ln(RV/f) - 1 (Patton, 2011): zero when right, and its mean is least for f = E[RV].

    Args:
        realized_variance: (n,) above zero (see `targets.floored`).
        forecast: (n,) above zero.
    """
    ratio = realized_variance / forecast
    loss: Floats = ratio - np.log(ratio) - 1.0
    return loss


def pinball(log_return: Floats, quantiles: Floats) -> Floats:
    """Pinball loss (Koenker and Bassett, 1978), mean over the levels.

    Args:
        log_return: (n,).
        quantiles: (n, 7) at QUANTILE_LEVELS.

    Returns:
        (n,) in units of the log return.
    """
    miss = log_return[:, None] - quantiles
    levels = np.array(QUANTILE_LEVELS)
    loss: Floats = np.maximum(levels * miss, (levels - 1.0) * miss).mean(axis=1)
    return loss


def inside(log_return: Floats, quantiles: Floats, share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each return lies in the central interval that holds `share` (0.5 or 0.9) of the forecast's probability.

    Args:
        log_return: (n,).
        quantiles: (n, 7) at QUANTILE_LEVELS.
    """
    low = QUANTILE_LEVELS.index(round((1.0 - share) / 2.0, 6))
    high = QUANTILE_LEVELS.index(round((1.0 + share) / 2.0, 6))
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = (quantiles[:, low] <= log_return) & (
        log_return <= quantiles[:, high]
    )
    return found


def without_worst(loss: Floats, baseline_loss: Floats) -> float:
    """Mean of `loss` over the origins that are not among the 1 % worst of the baseline (at least one is left out)."""
    keep = np.argsort(baseline_loss, kind="stable")[: baseline_loss.size - max(1, round(WORST_SHARE * loss.size))]
    return float(loss[keep].mean()) if keep.size else float(loss.mean())


def newey_west(series: Floats, lags: int) -> float:
    """Variance of the mean of a serially correlated series, Bartlett weights (Newey and West, 1987).

    Args:
        series: (n,) in order of time.
        lags: autocovariances counted, below n.
    """
    centred = series - series.mean()
    total = float(centred @ centred)
    for lag in range(1, lags + 1):
        total += 2.0 * (1.0 - lag / (lags + 1.0)) * float(centred[lag:] @ centred[:-lag])
    return total / series.size**2


def hac_lags(sample_size: int, overlap: int) -> int | None:
    """How many lags a sample allows: a day of them, fewer in a short sample, never fewer than targets overlap.

    Args:
        sample_size: origins.
        overlap: later origins whose target shares minutes with an origin's.

    Returns:
        None if the sample is too short to tell luck from skill.
    """
    lags = max(overlap, min(DAY_OF_ORIGINS, sample_size // _LEAST_WINDOWS))
    return lags if lags <= sample_size // _LEAST_WINDOWS else None


def diebold_mariano(loss: Floats, baseline_loss: Floats, lags: int) -> tuple[float, float]:
    """Test of equal accuracy (Diebold and Mariano, 1995) with a Newey-West variance.

    Args:
        loss, baseline_loss: (n,) losses of the same origins, in order of time.

    Returns:
        The statistic (negative: better than the baseline) and the one-sided p-value of "better than the baseline",
        both from the normal limit. Equal losses give 0 and 0.5.
    """
    difference = loss - baseline_loss
    spread = math.sqrt(max(newey_west(difference, lags), 0.0))
    if spread == 0.0:
        return 0.0, 0.5
    statistic = float(difference.mean()) / spread
    return statistic, 0.5 * math.erfc(-statistic / math.sqrt(2.0))
