"""Other readings of the same variance: from ranges, by the sign of the move, without its jumps, fading with time.

Range estimators a minute: Parkinson (1980), Garman and Klass (1980), Rogers and Satchell (1991). Bipower variation:
Barndorff-Nielsen and Shephard (2004). Semivariance: Barndorff-Nielsen, Kinnebrock and Shephard (2010).
"""

import math

import numpy as np

from bitpredict.features.arithmetic import log_of, ratio
from bitpredict.features.declaration import Feature, each
from bitpredict.features.view import DAY, View
from bitpredict.features.windows import Floats, Ladder

RANGE_WINDOWS = (60, DAY)
DOWNSIDE_WINDOWS = (60, 360, DAY)
JUMP_WINDOWS = (60, DAY)
HALF_LIFE = 30
FADED_AFTER = 512  # what is older weighs less than 1 / 130,000 of the newest

FEATURES: tuple[Feature, ...] = (
    *each("log_parkinson_{w}", "ln of Parkinson's variance over {w} minutes", RANGE_WINDOWS, "ln(1/minute)"),
    *each("log_garman_klass_{w}", "ln of Garman and Klass's variance over {w} minutes", RANGE_WINDOWS, "ln(1/minute)"),
    *each(
        "log_rogers_satchell_{w}",
        "ln of Rogers and Satchell's variance over {w} minutes",
        RANGE_WINDOWS,
        "ln(1/minute)",
    ),
    *each("downside_share_{w}", "share of falling minutes in RV over {w} minutes", DOWNSIDE_WINDOWS, "", 1),
    *each("jump_share_{w}", "1 - bipower variation / RV over {w} minutes, at least 0", JUMP_WINDOWS, "", 1),
    Feature(
        "log_ewma_variance", "ln of the mean squared return, weights halving every 30 minutes", "ln(1/minute)", 513
    ),
)


def compute(view: View) -> dict[str, Floats]:
    """The features of this family at the view's origins."""
    return {**_ranges(view), **_downside(view), **_jumps(view), "log_ewma_variance": _ewma(view)}


def _ranges(view: View) -> dict[str, Floats]:
    grid = view.grid
    up, down = np.log(grid.high / grid.open), np.log(grid.low / grid.open)
    body = np.log(grid.close / grid.open)
    spread = (up - down) * (up - down)
    estimators = {
        "log_parkinson": spread / (4.0 * math.log(2.0)),
        "log_garman_klass": 0.5 * spread - (2.0 * math.log(2.0) - 1.0) * (body * body),
        "log_rogers_satchell": up * (up - body) + down * (down - body),
    }
    found: dict[str, Floats] = {}
    for name, minute in estimators.items():
        series = view.of_minutes(minute)
        found |= {f"{name}_{w}": log_of(view.observed_mean(series, w)) for w in RANGE_WINDOWS}
    return found


def _downside(view: View) -> dict[str, Floats]:
    returns = view.grid.log_return
    falls = view.of_returns(np.where(returns < 0, returns * returns, 0.0))
    return {
        f"downside_share_{w}": ratio(falls.over(w, view.rows), view.squares.over(w, view.rows))
        for w in DOWNSIDE_WINDOWS
    }


def _jumps(view: View) -> dict[str, Floats]:
    size = np.abs(view.grid.log_return)
    products = np.full(size.size, np.nan)
    products[1:] = size[1:] * size[:-1]
    pairs, sums = Ladder((~np.isnan(products)).astype(np.float64)), view.of_returns(products)
    found: dict[str, Floats] = {}
    for w in JUMP_WINDOWS:
        bipower = math.pi / 2.0 * ratio(sums.over(w - 1, view.rows), pairs.over(w - 1, view.rows))
        found[f"jump_share_{w}"] = np.maximum(1.0 - ratio(bipower, view.variance(w)), 0.0)
    return found


def _ewma(view: View) -> Floats:
    fading = 0.5 ** (1.0 / HALF_LIFE)
    returns = view.grid.log_return
    squares = Ladder(np.where(np.isnan(returns), 0.0, returns * returns), decay=fading)
    weights = Ladder((~np.isnan(returns)).astype(np.float64), decay=fading)
    return log_of(ratio(squares.over(FADED_AFTER, view.rows), weights.over(FADED_AFTER, view.rows)))
