"""How much the price moved: realized variance and its shape over several windows.

RV_w is the mean squared one-minute log return a valid minute (Andersen, Bollerslev, Diebold and Labys, 2003). A
window in which the price never moved has no logarithm: null, because a floor would be invented.
"""

import numpy as np

from bitpredict.features.arithmetic import log_of, ratio
from bitpredict.features.declaration import Feature, each
from bitpredict.features.view import DAY, WEEK, View
from bitpredict.features.windows import Floats

VARIANCE_WINDOWS = (5, 15, 30, 60, 180, 360, 720, DAY, 3 * DAY, WEEK)
SLOT = 60

FEATURES: tuple[Feature, ...] = (
    *each("log_rv_{w}", "ln RV over {w} minutes", VARIANCE_WINDOWS, "ln(1/minute)", extra_minutes=1),
    Feature(
        "season_next_hour",
        "mean over the past 7 days of ln RV in the slot of the coming hour, less ln RV of the day it began",
        "",
        WEEK + 1,
    ),
)


def compute(view: View) -> dict[str, Floats]:
    """The features of this family at the view's origins."""
    found = {f"log_rv_{w}": log_of(view.variance(w)) for w in VARIANCE_WINDOWS}
    found["season_next_hour"] = _season(view)
    return found


def _season(view: View) -> Floats:
    """The coming hour's usual share in its day's variance. Days whose slot or day has no variance are left out."""
    total, days = np.zeros(view.rows.size), np.zeros(view.rows.size)
    for past in range(1, WEEK // DAY + 1):
        slot = log_of(view.variance(SLOT, ago=past * DAY - SLOT))
        level = log_of(view.variance(DAY, ago=(past - 1) * DAY))
        known = ~np.isnan(slot - level)
        total += np.where(known, slot - level, 0.0)
        days += known
    return ratio(total, days)
