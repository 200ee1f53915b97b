"""How much was traded, and by whom. Only observed minutes count; a window without a trade has no logarithm: null."""

from bitpredict.features.arithmetic import log_of
from bitpredict.features.declaration import Feature
from bitpredict.features.view import DAY, WEEK, View
from bitpredict.features.windows import Floats

TRADE_WINDOWS = (5, 15, 60, 360, DAY)

FEATURES: tuple[Feature, ...] = tuple(
    Feature(f"trades_{w}", f"ln(trades a minute over {w} minutes / the same over 10080)", "", WEEK)
    for w in TRADE_WINDOWS
)


def compute(view: View) -> dict[str, Floats]:
    """The features of this family at the view's origins."""
    trades = view.of_minutes(view.grid.trade_count)
    usual = log_of(view.observed_mean(trades, WEEK))
    return {f"trades_{w}": log_of(view.observed_mean(trades, w)) - usual for w in TRADE_WINDOWS}
