"""One origin's features straight from the minutes in memory: the batch table's numbers, bit by bit."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from bitpredict.features.catalog import FEATURE_SET_VERSION, OWN_FEATURES
from bitpredict.features.minutes import PROVENANCES
from bitpredict.features.table import origin_values
from bitpredict.features.view import View
from bitpredict.features.windows import Floats
from bitpredict.forecasting.frame import FeatureRows
from bitpredict.market.time import to_numpy
from bitpredict.streaming.minute_store import REACH, MinuteStore


@dataclass(frozen=True, eq=False)
class LiveRow:
    """The features of one symbol at one full minute.

    Attributes:
        origin: the minute at which they could be known.
        values: feature -> number, NaN where it is null.
        reference_price: last close.
        coverage_60: share of the last hour's minutes with a valid return.
        provenance: the least trusted of the candles used.
    """

    origin: datetime
    values: dict[str, float]
    reference_price: float
    coverage_60: float
    provenance: str

    def of(self, names: tuple[str, ...]) -> FeatureRows:
        """The row with the features `names`, as models read it."""
        values: Floats = np.array([[self.values[name] for name in names]])
        return FeatureRows(np.array([to_numpy(self.origin)]), names, values)

    def stored(self, symbol: str) -> dict[str, object]:
        """The row as `catalog.PRICE_FEATURES` has it, null as None; known since the minute's close, as candles are."""
        return {
            **{name: None if np.isnan(value) else value for name, value in self.values.items()},
            **{name: int(self.values[name]) for name in _WHOLE},
            "symbol": symbol,
            "origin": self.origin,
            "provenance": self.provenance,
            "feature_set_version": FEATURE_SET_VERSION,
            "known_at": self.origin,
        }


_WHOLE = tuple(feature.name for feature in OWN_FEATURES if feature.whole)


def row_at(store: MinuteStore, origin: datetime) -> LiveRow | None:
    """The row at `origin`, a full minute in UTC, by the code that makes the feature table.

    None if the minute before `origin` has no candle, as in the table.
    """
    grid = store.grid(origin)
    if grid is None:
        return None
    values = {name: float(found[0]) for name, found in origin_values(View(grid, np.array([REACH - 1]))).items()}
    return LiveRow(
        origin=origin,
        values=values,
        reference_price=values["reference_price"],
        coverage_60=values["coverage_60"],
        provenance=PROVENANCES[int(grid.provenance.max())],
    )
