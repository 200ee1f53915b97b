"""Where the price went: net returns, how straight the way was, the largest step, distance to extremes, last shock.

R_w is the sum of the window's n valid log returns, so that a jump across a hole counts nowhere; sigma is the root of
RV over 1440 minutes. Without holes n is w.
"""

import numpy as np

from bitpredict.features.arithmetic import log_of, ratio
from bitpredict.features.declaration import Feature, each
from bitpredict.features.view import DAY, WEEK, View
from bitpredict.features.windows import Floats, Ladder

RETURN_WINDOWS = (5, 15, 30, 60, 180, 360, DAY)
DRIFT_WINDOWS = (5, 15, 60, 360, DAY)
LARGEST_WINDOWS = (15, 60, 360, DAY)
EXTREME_WINDOWS = (60, 360, DAY, WEEK)
EXTREME_CAP = 4.0
SHOCK_SIGMAS = 5.0

FEATURES: tuple[Feature, ...] = (
    *each("return_{w}", "net log return R over {w} minutes", RETURN_WINDOWS, "log return", extra_minutes=1),
    *(Feature(f"drift_{w}", f"|R| over {w} minutes / (sigma sqrt n)", "sigma", max(w, DAY) + 1) for w in DRIFT_WINDOWS),
    *each("straightness_{w}", "|R| / sqrt(n RV) over {w} minutes: 1 is a straight line", RETURN_WINDOWS, "", 1),
    *each("largest_{w}", "2 ln max|r| - ln RV over {w} minutes", LARGEST_WINDOWS, "", 1),
    *(
        Feature(f"{name}_{w}", f"{what} over {w} minutes, / (sigma sqrt n), at most 4", "sigma", max(w, DAY) + 1)
        for name, what in (("below_high", "ln(highest / last close)"), ("above_low", "ln(last close / lowest)"))
        for w in EXTREME_WINDOWS
    ),
    Feature(
        "log_minutes_since_shock",
        "ln(1 + minutes since |r| > 5 sigma of the day before it), at most 10080 minutes",
        "ln(minutes)",
        WEEK + DAY,
    ),
)


def compute(view: View) -> dict[str, Floats]:
    """The features of this family at the view's origins."""
    grid = view.grid
    found = {"log_minutes_since_shock": _since_shock(view)}
    returns = view.of_returns(grid.log_return)
    largest = Ladder(np.where(np.isnan(grid.log_return), 0.0, np.abs(grid.log_return)), np.maximum)
    sigma = np.sqrt(view.variance(DAY))
    for w in RETURN_WINDOWS:
        n = view.valid_returns(w)
        net = np.where(n > 0, returns.over(w, view.rows), np.nan)
        found[f"return_{w}"] = net
        found[f"straightness_{w}"] = ratio(np.abs(net), np.sqrt(n * view.variance(w)))
        if w in DRIFT_WINDOWS:
            found[f"drift_{w}"] = ratio(np.abs(net), sigma * np.sqrt(n))
    for w in LARGEST_WINDOWS:
        found[f"largest_{w}"] = 2.0 * log_of(largest.over(w, view.rows)) - log_of(view.variance(w))
    return found | _extremes(view, sigma)


def _extremes(view: View, sigma: Floats) -> dict[str, Floats]:
    grid = view.grid
    highs = Ladder(np.where(grid.observed, grid.high, -np.inf), np.maximum, -np.inf)
    lows = Ladder(np.where(grid.observed, grid.low, np.inf), np.minimum, np.inf)
    found: dict[str, Floats] = {}
    for w in EXTREME_WINDOWS:
        scale = sigma * np.sqrt(view.valid_returns(w))
        high, low = highs.over(w, view.rows), lows.over(w, view.rows)
        above = log_of(np.where(np.isfinite(high), high, np.nan) / view.close)
        below = log_of(view.close / np.where(np.isfinite(low), low, np.nan))
        found[f"below_high_{w}"] = np.minimum(ratio(above, scale), EXTREME_CAP)
        found[f"above_low_{w}"] = np.minimum(ratio(below, scale), EXTREME_CAP)
    return found


def _since_shock(view: View) -> Floats:
    """Sigma is that of the day before the return, so that a shock cannot hide itself; at least half of that day must
    be valid for the return to be judged, and without any judged minute in the window the feature is null."""
    everywhere = np.arange(view.grid.open_time.size)
    count = _the_minute_before(view.valid.everywhere(DAY))
    sigma = np.sqrt(ratio(_the_minute_before(view.squares.everywhere(DAY)), count))
    size = np.abs(view.grid.log_return)
    judged = ~np.isnan(size) & (count >= DAY / 2)
    last_judged = np.maximum.accumulate(np.where(judged, everywhere, -WEEK))[view.rows]
    last_shock = np.maximum.accumulate(np.where(judged & (size > SHOCK_SIGMAS * sigma), everywhere, -WEEK))[view.rows]
    ago = np.minimum(view.rows - last_shock + 1, WEEK).astype(np.float64)
    return np.where(view.rows - last_judged + 1 < WEEK, np.log(1.0 + ago), np.nan)


def _the_minute_before(values: Floats) -> Floats:
    earlier: Floats = np.r_[0.0, values[:-1]]
    return earlier
