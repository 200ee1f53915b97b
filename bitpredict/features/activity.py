"""How much was traded, and by whom. Only observed minutes count; a window without a trade has no logarithm: null.

Of a minute that was repaired from a source which does not count trades, the amount counts, and where trades or takers
are asked for it is left out.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from bitpredict.features.arithmetic import log_of, ratio
from bitpredict.features.declaration import Feature, each
from bitpredict.features.view import DAY, WEEK, View
from bitpredict.features.windows import Floats, Ladder

TRADE_WINDOWS = (5, 15, 60, 360, DAY)
VOLUME_WINDOWS = (5, 60, DAY)
SIZE_WINDOWS = (5, 60)

_USUAL = "over {w} minutes / the same over 10080"

FEATURES: tuple[Feature, ...] = (
    *(Feature(f"trades_{w}", f"ln(trades a minute {_USUAL.format(w=w)})", "", WEEK) for w in TRADE_WINDOWS),
    *(Feature(f"volume_{w}", f"ln(volume a minute {_USUAL.format(w=w)})", "", WEEK) for w in VOLUME_WINDOWS),
    *(Feature(f"trade_size_{w}", f"ln(volume a trade {_USUAL.format(w=w)})", "", WEEK) for w in SIZE_WINDOWS),
    *each(
        "taker_imbalance_{w}",
        "(bought - sold by takers) / volume over {w} minutes, -1 to 1",
        VOLUME_WINDOWS,
    ),
)


def compute(view: View) -> dict[str, Floats]:
    """The features of this family at the view's origins."""
    grid = view.grid
    volume = view.of_minutes(grid.volume)
    log_volume = {w: log_of(view.observed_mean(volume, w)) for w in (*VOLUME_WINDOWS, WEEK)}

    told = grid.observed & ~np.isnan(grid.trade_count)
    trades, bought = Ladder(np.where(told, grid.trade_count, 0.0)), Ladder(np.where(told, grid.taker_buy_volume, 0.0))
    told_volume, log_told = volume, log_volume
    mean: Callable[[Ladder, int], Floats] = view.observed_mean
    if (told != grid.observed).any():
        minutes, told_volume = Ladder(told.astype(np.float64)), Ladder(np.where(told, grid.volume, 0.0))
        mean = partial(_mean, view, minutes)
        log_told = {w: log_of(mean(told_volume, w)) for w in (*SIZE_WINDOWS, WEEK)}

    log_trades = {w: log_of(mean(trades, w)) for w in (*TRADE_WINDOWS, WEEK)}
    size = {w: log_told[w] - log_trades[w] for w in (*SIZE_WINDOWS, WEEK)}
    return {
        **{f"trades_{w}": log_trades[w] - log_trades[WEEK] for w in TRADE_WINDOWS},
        **{f"volume_{w}": log_volume[w] - log_volume[WEEK] for w in VOLUME_WINDOWS},
        **{f"trade_size_{w}": size[w] - size[WEEK] for w in SIZE_WINDOWS},
        **{
            f"taker_imbalance_{w}": 2.0 * ratio(bought.over(w, view.rows), told_volume.over(w, view.rows)) - 1.0
            for w in VOLUME_WINDOWS
        },
    }


def _mean(view: View, minutes: Ladder, series: Ladder, window: int) -> Floats:
    return ratio(series.over(window, view.rows), minutes.over(window, view.rows))
