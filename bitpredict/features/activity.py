"""How much was traded, and by whom. Only observed minutes count; a window without a trade has no logarithm: null."""

from bitpredict.features.arithmetic import log_of, ratio
from bitpredict.features.declaration import Feature, each
from bitpredict.features.view import DAY, WEEK, View
from bitpredict.features.windows import Floats

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
    trades = view.of_minutes(view.grid.trade_count)
    volume = view.of_minutes(view.grid.volume)
    bought = view.of_minutes(view.grid.taker_buy_volume)
    log_trades = {w: log_of(view.observed_mean(trades, w)) for w in (*TRADE_WINDOWS, WEEK)}
    log_volume = {w: log_of(view.observed_mean(volume, w)) for w in (*VOLUME_WINDOWS, WEEK)}
    size = {w: log_volume[w] - log_trades[w] for w in (*SIZE_WINDOWS, WEEK)}
    return {
        **{f"trades_{w}": log_trades[w] - log_trades[WEEK] for w in TRADE_WINDOWS},
        **{f"volume_{w}": log_volume[w] - log_volume[WEEK] for w in VOLUME_WINDOWS},
        **{f"trade_size_{w}": size[w] - size[WEEK] for w in SIZE_WINDOWS},
        **{
            f"taker_imbalance_{w}": 2.0 * ratio(bought.over(w, view.rows), volume.over(w, view.rows)) - 1.0
            for w in VOLUME_WINDOWS
        },
    }
