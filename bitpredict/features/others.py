"""The other symbols' state, as it was known when a row of one's own became known."""

from datetime import timedelta

import numpy as np
import pyarrow as pa

from bitpredict.features.arithmetic import ratio
from bitpredict.features.as_of import Instants, microseconds
from bitpredict.features.declaration import Feature
from bitpredict.features.view import WEEK
from bitpredict.features.windows import Floats
from bitpredict.market.horizons import ORIGIN_STEP

OTHERS_WITHIN: timedelta = 2 * ORIGIN_STEP
"""How old another symbol's row may be; rows so long before a range are needed as context."""

BORROWED = ("log_rv_5", "log_rv_60", "log_rv_1440", "return_5", "return_60", "trades_60", "coverage_60")
"""Columns of the other symbol's row."""

FEATURES: tuple[Feature, ...] = tuple(
    Feature(f"other_{name}", f"{name} of the other symbols' latest rows, their mean if several", "", WEEK + 10)
    for name in BORROWED
)


def state_of_others(price_features: pa.Table) -> dict[str, Floats]:
    """For each row, the mean over the other symbols of their latest row's values.

    A symbol's latest row is its newest with an origin not after this row's, at most 10 minutes before it, and known by
    the time that this row was. Symbols without one are left out; without any the value is NaN.

    Args:
        price_features: `catalog.PRICE_FEATURES`, in any order.
    """
    symbols = np.asarray(price_features["symbol"].to_pylist(), dtype=object)
    origin, known_at = microseconds(price_features["origin"]), microseconds(price_features["known_at"])
    totals = {name: np.zeros(symbols.size) for name in BORROWED}
    counts = {name: np.zeros(symbols.size) for name in BORROWED}
    for other in sorted(set(symbols)):
        its = np.flatnonzero(symbols == other)
        its = its[np.argsort(origin[its], kind="stable")]
        place = _latest(origin, known_at, origin[its], known_at[its])
        found = (place >= 0) & (symbols != other)
        for name in BORROWED:
            values = price_features[name].to_numpy()[its[place[found]]]
            totals[name][found] += np.where(np.isnan(values), 0.0, values)
            counts[name][found] += ~np.isnan(values)
    return {f"other_{name}": ratio(totals[name], counts[name]) for name in BORROWED}


def _latest(origin: Instants, known_at: Instants, its_origin: Instants, its_known_at: Instants) -> Instants:
    """Position in `its_origin` (sorted) of the newest usable row for each origin, -1 where there is none."""
    place = np.full(origin.size, -1)
    for back in range(OTHERS_WITHIN // ORIGIN_STEP + 1):
        wanted = origin - back * (ORIGIN_STEP // timedelta(microseconds=1))
        at = np.minimum(np.searchsorted(its_origin, wanted), its_origin.size - 1)
        usable = (place < 0) & (its_origin[at] == wanted) & (its_known_at[at] <= known_at)
        place[usable] = at[usable]
    return place
