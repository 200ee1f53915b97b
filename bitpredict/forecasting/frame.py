"""Feature rows and what came after them, as the arrays that models are fitted on and asked with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from bitpredict.errors import ModelError
from bitpredict.features.minutes import Times
from bitpredict.features.windows import Floats
from bitpredict.forecasting.targets import floored
from bitpredict.market.horizons import Horizon


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """Rows of one symbol's feature table.

    Attributes:
        origin: (n,) UTC.
        names: columns of `values`.
        values: (n, p), NaN where a feature is null.
    """

    origin: Times
    names: tuple[str, ...]
    values: Floats

    @classmethod
    def of(cls, features: pa.Table | pd.DataFrame, names: Sequence[str]) -> "FeatureRows":
        """Take the columns `names` of a feature table.

        Raises:
            ModelError: the table lacks one.
        """
        have = features.column_names if isinstance(features, pa.Table) else features.columns
        if missing := [name for name in names if name not in have]:
            raise ModelError(f"the feature table lacks {missing[0]} (and {len(missing) - 1} more); make it anew")
        values = np.empty((len(features), len(names)))
        for position, name in enumerate(names):
            values[:, position] = features[name].to_numpy()
        return cls(origins_of(features), tuple(names), values)

    def __len__(self) -> int:
        return int(self.origin.size)

    def matrix(self, names: tuple[str, ...]) -> Floats:
        """(n, k) the columns `names`, in that order."""
        if names == self.names:
            return self.values
        places = {name: position for position, name in enumerate(self.names)}
        return self.values[:, [places[name] for name in names]]

    def take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> "FeatureRows":
        return FeatureRows(self.origin[which], self.names, self.values[which])


@dataclass(frozen=True, eq=False)
class TrainingFrame:
    """Usable rows of one symbol and horizon, in order of time.

    Attributes:
        rows: (n,) features without a null.
        realized_variance: (n,) of the horizon after each origin, not below the floor (`targets.floored`).
        log_return: (n,) over the same time.
    """

    symbol: str
    horizon: Horizon
    rows: FeatureRows
    realized_variance: Floats
    log_return: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "realized_variance", floored(self.realized_variance, self.horizon))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def origin(self) -> Times:
        return self.rows.origin

    @property
    def target_time(self) -> Times:
        return self.rows.origin + np.timedelta64(self.horizon.length)

    def take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> "TrainingFrame":
        return TrainingFrame(
            self.symbol, self.horizon, self.rows.take(which), self.realized_variance[which], self.log_return[which]
        )


def origins_of(table: pa.Table | pd.DataFrame) -> Times:
    """The table's `origin` column as zone-less UTC microseconds."""
    if isinstance(table, pa.Table):
        microseconds = table["origin"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        origins: Times = microseconds.to_numpy().view("datetime64[us]")
    else:
        origins = table["origin"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
    return origins
